#!/usr/bin/env bash
# A reader of call transcripts puts the agent's notes and the next cue's id into the customer's mouth.
#
# Guess:    readers of WebVTT differ in how they show the speaker. A NOTE block is a comment, and the
#           line above a time is the cue's id, in all of them.
# Happens:  pysubs2 drops an id only if it is a number, and knows no NOTE. With ids of letters or
#           hexadecimal digits, as meeting tools write them, each cue ends with the id of the next,
#           and a NOTE is speech. Who speaks is gone, and so is what stands in braces, which it takes
#           for a style of another format. webvtt-py and pycaption read the words alone.
# Matters:  an internal note about a customer is analyzed, quoted and exported as what was said, and
#           ids are found as words. A test with numbered cues and no NOTE passes. Use a reader made
#           for WebVTT, and give it a file with a NOTE, ids of letters and a speaker.
# Versions: pysubs2 1.8.1, webvtt-py 0.6.0, pycaption 2.3.14; Python 3.11
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q pysubs2==1.8.1 webvtt-py==0.6.0 pycaption==2.3.14 >"$tmp/log" 2>&1 ||
  { cat "$tmp/log"; exit 2; }

"$tmp/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import pycaption, pysubs2, webvtt

CALL = """WEBVTT

call-1
00:00:01.000 --> 00:00:02.000
<v Tom>My {model 7} is late

NOTE no refund for this one

call-2
00:00:03.000 --> 00:00:04.000
<v Ines>Sorry
"""
captions = webvtt.from_string(CALL)
events = pysubs2.SSAFile.from_string(CALL)
seen = {
    "webvtt-py": [f"{caption.voice}: {caption.text}" for caption in captions],
    "pycaption": [cue.get_text() for cue in pycaption.WebVTTReader().read(CALL).get_captions("en-US")],
    "pysubs2": [f"{event.name}: {event.plaintext}" for event in events],
}
right = ["Tom: My {model 7} is late", "Ines: Sorry"]
print(CALL)
print("expected:", right)
for name, cues in seen.items():
    print(f"seen:     {name} {version(name)}: {cues}")
speech = ": My  is late\n\nNOTE no refund for this one\n\ncall-2"
known = {"webvtt-py": right, "pycaption": right, "pysubs2": [speech, ": Sorry"]}
sys.exit(0 if seen == known else "the behaviour has changed")
PYTHON
