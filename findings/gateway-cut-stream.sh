#!/usr/bin/env bash
# LiteLLM ends a stream that was cut upstream as if it were complete, with a usage nobody sent.
#
# Guess:    a stream that stops without finish_reason ends without one, or raises an error.
# Happens:  a last chunk with finish_reason "stop" is added, and after it a usage that LiteLLM
#           has counted itself. No error is raised. The caller has half a JSON document that is
#           marked as whole.
# Matters:  a fault of the connection looks like one of the model or of the prompt, so the
#           prompt is blamed, split or given up. The price is of tokens nobody counted. Where
#           the content cannot be parsed, ask once more without streaming.
# Versions: litellm 1.108.7; Python 3.11. The loopback stands for xAI.
# Date:     2026-11-29
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q litellm==1.108.7 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

LITELLM_LOCAL_MODEL_COST_MAP=True "$tmp/venv/bin/python" -W ignore - <<'PYTHON'
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import litellm

PIECES = [{"role": "assistant"}, {"content": '{"sum'}, {"content": 'mary": "Half'}]

class Upstream(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for piece in PIECES:
            chunk = {"model": "grok-4.3", "choices": [{"index": 0, "delta": piece}]}
            self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    log_message = lambda *_: None

server = HTTPServer(("127.0.0.1", 0), Upstream)
Thread(target=server.serve_forever, daemon=True).start()
stream = litellm.completion(
    model="xai/grok-4.3", api_base=f"http://127.0.0.1:{server.server_port}", api_key="none",
    messages=[{"role": "user", "content": "Hi"}], stream=True, stream_options={"include_usage": True},
)
content, reason, usage = "", None, None
for chunk in stream:
    content += chunk.choices[0].delta.content or ""
    reason = chunk.choices[0].finish_reason or reason
    usage = getattr(chunk, "usage", None) or usage
tokens = usage and (usage.prompt_tokens, usage.completion_tokens)
print("litellm 1.108.7\nexpected: an error, or finish_reason None and no usage")
print(f"seen:     content {content!r}, finish_reason {reason!r}, usage {tokens}")
unchanged = content == '{"summary": "Half' and reason == "stop" and tokens is not None and tokens[1] > 0
sys.exit(0 if unchanged else "the behaviour has changed")
PYTHON
