#!/usr/bin/env bash
# To LiteLLM an xAI batch that was cancelled too late has no results, though all were answered.
#
# Guess:    a batch whose 5 requests were answered before the cancel took effect is completed,
#           or at least names the file with its results.
# Happens:  LiteLLM takes any cancel_time for the end: the status is "cancelled" and there is
#           no output_file_id. request_counts says that 5 are completed, and the rows are
#           there: file_content by the batch's id has them.
# Matters:  xAI's counters go back after a cancel; 5 cancelled were seen to turn into 5 answered
#           20 seconds later. Answered rows are paid for, and who reads results of completed
#           batches only pays a second time. Let counters and rows decide, never cancel_time, and
#           wait until two readings half a minute apart agree.
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
ROW = {"response": {"chat_get_completion": ANSWER}}
PAGE = {"results": [{"batch_request_id": f"r{n}", "batch_result": ROW} for n in range(5)], "pagination_token": ""}
STATE = {"num_requests": 5, "num_pending": 0, "num_success": 5, "num_error": 0, "num_cancelled": 0}
BATCH = {"batch_id": "batch_1", "name": "n", "create_time": "2026-11-30", "expire_time": "2026-12-30",
         "cancel_time": "2026-11-30", "cancel_by_xai_message": None, "state": STATE}

class Xai(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(PAGE if "/results" in self.path else BATCH).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    log_message = lambda *_: None

server = HTTPServer(("127.0.0.1", 0), Xai)
Thread(target=server.serve_forever, daemon=True).start()
to = {"custom_llm_provider": "xai", "api_base": f"http://127.0.0.1:{server.server_port}", "api_key": "none"}
batch = litellm.retrieve_batch(batch_id="batch_1", **to)
rows = litellm.file_content(file_id="batch_1", **to).text.splitlines()
print("litellm 1.110.2\nexpected: completed, or an output_file_id, since all 5 were answered")
print(f"seen:     {batch.status}, output_file_id {batch.output_file_id}, "
      f"{batch.request_counts.completed} of {batch.request_counts.total} completed; {len(rows)} rows by the batch's id")
seen = (batch.status, batch.output_file_id, batch.request_counts.completed, len(rows))
sys.exit(0 if seen == ("cancelled", None, 5, 5) else "the behaviour has changed")
PYTHON
