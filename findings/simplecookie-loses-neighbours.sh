#!/usr/bin/env bash
# Python's SimpleCookie loses a good cookie because of another one beside it, and says nothing.
#
# Guess:    a cookie whose value it cannot read is passed over, as browsers and servers do; the
#           session cookie in the same header is found.
# Happens:  a value with a space in it ("theme=dark mode") makes it forget the whole header, the
#           good cookies before it too. A value in JSON makes it forget all that follow. No
#           exception is raised: the jar is empty or short. Starlette's parser finds all of them.
# Matters:  browsers store such values, and cookies know no port: whatever else runs on localhost,
#           or on the same host name, adds its own. People are logged out as long as that cookie
#           lives, on their machine only. Split the header at ";" yourself, or use a parser
#           that a web framework uses for requests; SimpleCookie is for writing.
# Versions: CPython 3.11.7, starlette 1.10.0
# Date:     2026-11-29
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q starlette==1.10.0 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

cat >"$tmp/parse.py" <<'PYTHON'
import platform
from http.cookies import SimpleCookie
from starlette.requests import cookie_parser

HEADERS = (
    "session=good; theme=dark; lang=en",
    "session=good; theme=dark mode; lang=en",
    'session=good; cart={"n": 1}; lang=en',
    'cart={"n": 1}; session=good',
)
print(f"CPython {platform.python_version()}, starlette 1.10.0")
print("expected: `session` and `lang` are found wherever they stand")
print("seen:     SimpleCookie / starlette / header")
seen = []
for header in HEADERS:
    found = sorted({"session", "lang"} & SimpleCookie(header).keys())
    other = sorted({"session", "lang"} & cookie_parser(header).keys())
    seen.append((found, other))
    print(f"{found} / {other} / {header}")
both, session = ["lang", "session"], ["session"]
assert seen == [(both, both), ([], both), (session, both), ([], session)], "the behaviour has changed"
PYTHON
"$tmp/venv/bin/python" "$tmp/parse.py" || exit 1
