#!/usr/bin/env bash
# openapi-typescript makes a field of a request required when the document gives it a default.
#
# Guess:    a field that is not in `required` and has a default may be left out of a request: that is
#           what a default is for. The generated type has it with a `?`.
# Happens:  it has no `?`, so tsc refuses a body without it. pydantic writes `"default": null` for every
#           optional field of a body, so that all of them have to be given, as null. With
#           --default-non-nullable=false it may be left out.
# Matters:  the document is valid, other generators read it right, and the service takes the body, but
#           the first call of a user in TypeScript does not compile. Name the option where you name
#           the generator. It loses nothing where the document lists in `required` what answers
#           always have, as FastAPI's does.
# Versions: openapi-typescript 7.13.0, typescript 5.9.3; Node 20
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
npm install --no-fund --no-audit openapi-typescript@7.13.0 typescript@5.9.3 >log 2>&1 || { cat log; exit 2; }

cat >openapi.json <<'JSON'
{"openapi": "3.1.0", "info": {"title": "notes", "version": "1"}, "paths": {}, "components": {"schemas": {"Note": {
  "type": "object", "required": ["text"], "properties": {
    "text": {"type": "string"},
    "author": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": null},
    "place": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}}}}
JSON
cat >use.ts <<'TS'
import type { components } from "./schema";
export const note: components["schemas"]["Note"] = { text: "only what is required" };
TS

compiles() {
  npx openapi-typescript openapi.json --output schema.d.ts "$@" >log 2>&1 || { cat log; exit 1; }
  npx tsc --strict --noEmit use.ts >said && echo compiles || grep -o "Property '[a-z]*' is missing" said
}
plain=$(compiles) option=$(compiles --default-non-nullable=false)

echo "expected: a body with the required field alone compiles"
echo "seen:     openapi-typescript 7.13.0: $plain"
echo "          with --default-non-nullable=false: $option"
[ "$plain / $option" = "Property 'author' is missing / compiles" ] || { echo "the behaviour has changed"; exit 1; }
