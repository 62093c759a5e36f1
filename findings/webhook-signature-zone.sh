#!/usr/bin/env bash
# The webhook libraries for Python sign the wrong second when the time has a zone other than UTC.
#
# Guess:    sign() takes a datetime, and an aware one is a moment: 14:00+02:00 and 12:00Z give one
#           signature, the one that the npm package of the same standard gives.
# Happens:  the zone is replaced by UTC, not converted, so 14:00+02:00 is signed as 14:00Z, two hours
#           later. There is no error. Both Python packages agree with each other, so a test that
#           signs and compares with the same library passes, and on a machine that runs in UTC all
#           of them do. The receiver, who has the right header, finds no matching signature.
# Matters:  whoever signs with the local or the customer's zone sends webhooks that every receiver
#           refuses, in some zones and not in others, and half the year only in London. Convert to
#           UTC before sign(), and test against the verifier of another language.
# Versions: standardwebhooks 1.1.0, svix 2.9.1 (PyPI), standardwebhooks 1.1.1 (npm); Python 3.11, Node 20
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q standardwebhooks==1.1.0 svix==2.9.1 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }
npm install --prefix "$tmp" --no-fund --no-audit standardwebhooks@1.1.1 >"$tmp/log" 2>&1 ||
  { cat "$tmp/log"; exit 2; }

cat >"$tmp/sign.py" <<'PYTHON'
import sys
from datetime import datetime, timedelta, timezone
from standardwebhooks import Webhook
from svix.webhooks import Webhook as Svix
moment = datetime.fromtimestamp(int(sys.argv[1]), timezone.utc)
secret = "whsec_" + sys.argv[2]
for zone in (timezone.utc, timezone(timedelta(hours=2))):
    for name, webhook in (("standardwebhooks", Webhook(secret)), ("svix", Svix(secret))):
        print(webhook.sign("msg_1", moment.astimezone(zone), "{}"), name, zone, sep="\t")
PYTHON
cat >"$tmp/verify.js" <<'NODE'
const { Webhook } = require("standardwebhooks");
const [moment, secret] = process.argv.slice(2);
const webhook = new Webhook("whsec_" + secret);
const verdict = (headers) => { try { webhook.verify("{}", headers); return "accepted"; } catch (e) { return e.message; } };
for (const line of require("fs").readFileSync(0, "utf8").trim().split("\n")) {
  const [signature, name, zone] = line.split("\t");
  const headers = { "webhook-id": "msg_1", "webhook-timestamp": moment, "webhook-signature": signature };
  const two = webhook.sign("msg_1", new Date((+moment + 7200) * 1000), "{}");
  console.log([name, zone, verdict(headers), signature === two ? "signed for two hours later" : ""].join("\t"));
}
NODE
moment=$(date +%s) secret=$(printf 'a secret of this test only' | base64)
"$tmp/venv/bin/python" "$tmp/sign.py" "$moment" "$secret" | node "$tmp/verify.js" "$moment" "$secret" >"$tmp/seen"

echo "expected: the npm verifier accepts all four"
echo "seen:     standardwebhooks 1.1.0, svix 2.9.1: library, zone, verdict of standardwebhooks 1.1.1 (npm)"
cat "$tmp/seen"
accepted=$(grep -c "UTC	accepted" "$tmp/seen") later=$(grep -c "+02:00.*two hours later" "$tmp/seen")
[ "$accepted $later" = "2 2" ] || { echo "the behaviour has changed"; exit 1; }
