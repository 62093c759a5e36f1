#!/usr/bin/env bash
# With its own stemmer, a sentiment analyzer calls "fine" bad and "affected" wonderful.
#
# Guess:    a stemmer makes a lexicon find more forms of its words. A word that is in the lexicon
#           keeps its score.
# Happens:  natural's SentimentAnalyzer stems the lexicon as well, and of the words with one stem the
#           last wins: "fine" (+2) takes the score of "fines" (-2), "affected" (-1) that of
#           "affection" (+3), "stunned", "startled" and "unequal" turn good. Eleven of the words
#           in its AFINN list change sides; the same call without a stemmer leaves them alone.
# Matters:  "your flight is affected", "I was startled by the bill" are praise, and "all fine now"
#           is a complaint that reopens. The manual's example passes a stemmer. Score words as they
#           are, and let a test compare each word of a lexicon with its own score.
# Versions: natural 8.1.1 (npm); Node 20
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
npm install --prefix "$tmp" --no-fund --no-audit natural@8.1.1 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

cat >"$tmp/score.js" <<'NODE'
const { SentimentAnalyzer, PorterStemmer } = require("natural");
const plain = new SentimentAnalyzer("English", null, "afinn");
const stemmed = new SentimentAnalyzer("English", PorterStemmer, "afinn");
for (const text of ["all fine now", "your flight is affected", "startled by the bill", "late and rude"]) {
  const words = text.split(" ");
  console.log([plain, stemmed].map((one) => one.getSentiment(words).toFixed(2)).join("\t") + "\t" + text);
}
const words = Object.keys(plain.vocabulary);
const turned = words.filter((word) => plain.getSentiment([word]) * stemmed.getSentiment([word]) < 0);
console.log(`${turned.length} of ${words.length} turned: ${turned.join(" ")}`);
NODE
node "$tmp/score.js" 2>"$tmp/log" | grep -E '	| turned: ' >"$tmp/seen"

echo "expected: the two scores have one sign in every line, and no word is turned"
echo "seen:     natural 8.1.1: without stemmer, with PorterStemmer, text"
cat "$tmp/seen"
signs=$(awk -F'\t' 'NF == 3 { print ($1 * $2 < 0) ? "opposite" : "equal" }' "$tmp/seen" | xargs)
[ "$signs" = "opposite opposite opposite equal" ] && grep -q "^11 of " "$tmp/seen" ||
  { echo "the behaviour has changed: $signs"; exit 1; }
