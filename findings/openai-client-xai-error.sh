#!/usr/bin/env bash
# With xAI's form of an error, the openai client says the same of a spent budget and a rate limit.
#
# Guess:    an "OpenAI-compatible" endpoint's error keeps its reason: in str(error), and its
#           code in error.code.
# Happens:  xAI answers {"code": "...", "error": "a sentence"}. The client takes the value of
#           "error" for the whole body, so the code beside it is thrown away, error.code is
#           None and str(error) is "Error code: 429". Only error.body has the sentence. An
#           error in OpenAI's form keeps both. Every one of them is tried three times.
# Matters:  a spent budget and "slow down" are the same line in a log, and code that branches
#           on error.code never sees xAI's. A caller that waits and retries on every 429 then
#           waits until somebody pays. Read error.body, or error.response.json() for the code.
# Versions: openai 3.57.0; Python 3.11. A server on the loopback stands for xAI.
# Date:     2026-11-29
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q openai==3.57.0 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

"$tmp/venv/bin/python" - <<'PYTHON'
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import openai

ANSWERS = {
    "xAI, too fast": {"code": "resource-exhausted", "error": "Too many requests."},
    "xAI, budget spent": {"code": "resource-exhausted", "error": "All credits are used."},
    "OpenAI's form": {"error": {"code": "insufficient_quota", "message": "All credits are used."}},
}
calls = []

class Upstream(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        calls.append(request["model"])
        self.send_response(429)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(ANSWERS[request["model"]]).encode())

    log_message = lambda *_: None

server = HTTPServer(("127.0.0.1", 0), Upstream)
Thread(target=server.serve_forever, daemon=True).start()
client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_port}", api_key="none")
print("openai", openai.__version__, "\nexpected: three different texts, each with its reason and code")
seen = {}
for case in ANSWERS:
    try:
        client.chat.completions.create(model=case, messages=[{"role": "user", "content": "Hi"}])
    except openai.RateLimitError as error:
        seen[case] = (str(error), error.code, calls.count(case))
        print(f"seen:     {case}: (text, code, calls) = {seen[case]}, body = {error.body!r}")

fast, spent, other = seen.values()
unchanged = fast == spent == ("Error code: 429", None, 3) and other[1] == "insufficient_quota"
sys.exit(0 if unchanged else "the behaviour has changed")
PYTHON
