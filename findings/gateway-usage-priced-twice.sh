#!/usr/bin/env bash
# LiteLLM moves Grok's thoughts into completion_tokens; genai-prices then bills them twice.
#
# Guess:    usage passes through a gateway as it is, or a price library sees from
#           total_tokens what is included. Either way one call has one price.
# Happens:  xAI leaves reasoning_tokens out of completion_tokens. LiteLLM's xai/ route adds
#           them in, as OpenAI does, and keeps model and details. genai-prices knows xAI's
#           rule, adds them once more, and never looks at total_tokens. The openai/ route to
#           the same server leaves usage alone, and the price is right.
# Matters:  on paper this call costs 1.9 times its price, so a daily budget is used up after
#           half the calls. Count the thoughts left out as total - prompt - completion, at
#           least 0: that holds before and after the gateway.
# Versions: litellm 1.110.2, genai-prices 0.2.3; Python 3.11. The loopback stands for xAI.
# Date:     2026-11-29
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q litellm==1.110.2 genai-prices==0.2.3 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

LITELLM_LOCAL_MODEL_COST_MAP=True "$tmp/venv/bin/python" -W ignore - <<'PYTHON'
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import litellm
from genai_prices import extract_usage

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 6100,
         "completion_tokens_details": {"reasoning_tokens": 5000}}
CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}
ANSWER = {"id": "1", "object": "chat.completion", "model": "grok-4.3", "choices": [CHOICE], "usage": USAGE}

class Upstream(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(ANSWER).encode())

    log_message = lambda *_: None

def usage_through(route):
    answer = litellm.completion(model=f"{route}/grok-4.3", api_base=url, api_key="none",
                                messages=[{"role": "user", "content": "Hi"}])
    return answer.usage.model_dump(exclude_none=True)

def price(usage):
    found = extract_usage({"model": "grok-4.3", "usage": usage}, provider_id="x-ai", api_flavor="chat")
    return f"{found.calc_price().total_price:.4f}"

server = HTTPServer(("127.0.0.1", 0), Upstream)
Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
usages = {"direct": USAGE, "openai/": usage_through("openai"), "xai/": usage_through("xai")}
print("litellm 1.110.2, genai-prices 0.2.3\nexpected: $0.0140 each (1,000 prompt, 5,100 output)")
for name, usage in usages.items():
    print(f"seen:     {name:8} ${price(usage)}  {usage}")
seen = [(usage["completion_tokens"], usage["total_tokens"], price(usage)) for usage in usages.values()]
unchanged = seen == [(100, 6100, "0.0140"), (100, 6100, "0.0140"), (5100, 6100, "0.0265")]
sys.exit(0 if unchanged else "the behaviour has changed")
PYTHON
