#!/usr/bin/env bash
# A customer's own "From:" and "To:" lines end the customer's message.
#
# Guess:    a reply parser cuts at a quoted mail's header, and knows one by an address, a
#           subject or a date. A route or a delivery that the customer copied is text.
# Happens:  two lines such as "From: Oslo" and "To: Bergen" are enough for all three parsers.
#           Two drop the rest of the mail. The third files the rest under the recipient.
# Matters:  travel and parcel complaints look like this. What is left is the harmless first
#           line; the demand for money behind it is never analyzed, and nothing is reported.
#           Keep the whole mail beside the reply, and analyze the whole where the lines that
#           ended the reply hold no address.
# Versions: email-reply-parser 0.5.12, mail-parser-reply 1.36, quotequail 0.5.4; Python 3.11
# Date:     2026-11-29
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q email-reply-parser==0.5.12 mail-parser-reply==1.36 \
  quotequail==0.5.4 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

"$tmp/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import quotequail
from email_reply_parser import EmailReplyParser
from mailparser_reply import EmailReplyParser as MailReplyParser

MAIL = """My ticket is wrong. It says
From: Oslo
To: Bergen
but I booked Trondheim and want my 212 euro back.
"""
FIRST_LINE = "My ticket is wrong. It says"

seen = {
    "email-reply-parser": EmailReplyParser.parse_reply(MAIL),
    "mail-parser-reply": MailReplyParser(languages=["en"]).parse_reply(MAIL),
    "quotequail": quotequail.unwrap(MAIL),
}
print(MAIL)
print("expected: no parser finds a quoted mail; each keeps 'want my 212 euro back'")
for name, reply in seen.items():
    print(f"seen:     {name} {version(name)}: {reply!r}")

unchanged = (
    seen["email-reply-parser"] == seen["mail-parser-reply"] == FIRST_LINE
    and seen["quotequail"]["type"] == "forward"
    and seen["quotequail"]["to"].endswith("want my 212 euro back.")
)
sys.exit(0 if unchanged else "the behaviour has changed")
PYTHON
