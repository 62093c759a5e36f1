#!/usr/bin/env bash
# LiteLLM cannot read the answers of an xAI batch in which one request has failed.
#
# Guess:    of 3 requests, 1 of which failed, the results are 2 answers and 1 error.
# Happens:  xAI writes a failed row as {"error": "a text"}. LiteLLM's model of a row wants an
#           object there, and validates a page of up to 1,000 rows at once: file_content
#           raises, and no answer of the batch can be had. retrieve_batch says that the
#           batch is completed, with 2 answers and 1 failure.
# Matters:  a batch is paid for row by row, and rows fail for reasons of their own, such as a
#           cap of tokens that is not positive. Read /v1/batches/{id}/results yourself, take a
#           text or an object as the error, and judge each row alone.
# Versions: litellm 1.110.2; Python 3.11. The loopback stands for xAI.
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q litellm==1.110.2 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

LITELLM_LOCAL_MODEL_COST_MAP=True "$tmp/venv/bin/python" -W ignore - <<'PYTHON'
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import litellm

CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}
ANSWER = {"id": "1", "object": "chat.completion", "model": "grok-4.3", "choices": [CHOICE]}
FAILED = {"error": "Maximum number of tokens max_tokens must be positive but max_tokens = -5"}
STATE = {"num_requests": 3, "num_pending": 0, "num_success": 2, "num_error": 1, "num_cancelled": 0}
BATCH = {"batch_id": "batch_1", "name": "n", "create_time": "2026-11-30", "expire_time": "2026-12-30",
         "cancel_time": None, "cancel_by_xai_message": None, "state": STATE}

class Xai(BaseHTTPRequestHandler):
    rows = []

    def do_GET(self):
        page = {"results": self.rows, "pagination_token": None}
        body = json.dumps(page if "/results" in self.path else BATCH).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    log_message = lambda *_: None

def row(number, result):
    return {"batch_request_id": f"r{number}", "batch_result": result}

def read(rows):
    Xai.rows = rows
    try:
        content = litellm.file_content(file_id="batch_1", custom_llm_provider="xai", **to)
    except Exception as error:
        return f"{type(error).__name__}"
    return [bool(json.loads(line)["response"]) for line in content.text.splitlines()]

server = HTTPServer(("127.0.0.1", 0), Xai)
Thread(target=server.serve_forever, daemon=True).start()
to = {"api_base": f"http://127.0.0.1:{server.server_port}", "api_key": "none"}
answered = {"response": {"chat_get_completion": ANSWER}}
batch = litellm.retrieve_batch(batch_id="batch_1", custom_llm_provider="xai", **to)
good = read([row(1, answered), row(2, answered)])
mixed = read([row(1, answered), row(2, answered), row(3, FAILED)])
print("litellm 1.110.2\nexpected: [True, True, False] of two answers and a failure")
print(f"seen:     {mixed}; status {batch.status}, {batch.request_counts.completed} answers")
print(f"seen:     {good} of the two answers alone")
unchanged = good == [True, True] and isinstance(mixed, str) and batch.status == "completed"
sys.exit(0 if unchanged else "the behaviour has changed")
PYTHON
