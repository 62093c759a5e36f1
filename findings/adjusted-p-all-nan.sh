#!/usr/bin/env bash
# One topic without data makes every adjusted p-value NaN, while the flags beside them still say which to reject.
#
# Guess:    a NaN among the p-values is refused, or stays NaN alone, and the flags and the adjusted
#           values that one call returns say the same.
# Happens:  proportions_ztest gives NaN for a topic that nobody mentioned. multipletests takes it:
#           by Benjamini-Hochberg (fdr_bh) all adjusted values are NaN and two flags are True; by
#           Hommel all are NaN and no flag is True; by Holm and Bonferroni the NaN stays alone. In
#           each it counts as one more test. SciPy's function for the same adjustment refuses it.
# Matters:  `adjusted < 0.05` is False for NaN, so on the day a topic is empty no alert fires at all,
#           silently, and whoever reads the flags instead sees two. Leave the empty ones out first,
#           and check that what goes in is between 0 and 1.
# Versions: statsmodels 0.15.0, scipy 1.17.1; Python 3.11
# Date:     2026-11-30
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q statsmodels==0.15.0 scipy==1.17.1 >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 2; }

"$tmp/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest

# Complaints about a topic among 500 conversations, this week and last.
WEEKS = {"refund": (60, 20), "login": (40, 12), "parcel": (0, 0), "price": (31, 30), "thanks": (9, 8)}
KNOWN = {"fdr_bh": (2, 5), "hommel": (0, 5), "holm": (2, 1), "bonferroni": (2, 1)}

print("statsmodels", version("statsmodels") + ", scipy", version("scipy"))
p_values = [proportions_ztest(counts, (500, 500))[1] for counts in WEEKS.values()]
print(dict(zip(WEEKS, (f"{p:.2g}" for p in p_values), strict=True)))
print("expected: an error, or 1 NaN and 2 rejected, by each method")
seen = {}
for method in KNOWN:
    reject, adjusted, *_ = multipletests(p_values, alpha=0.05, method=method)
    seen[method] = (int(reject.sum()), sum(p != p for p in adjusted))
    print(f"seen:     {method:10} rejected {seen[method][0]}, NaN {seen[method][1]}, "
          f"below 0.05 {int((adjusted < 0.05).sum())}: {adjusted.round(6)}")
try:
    refused = false_discovery_control(p_values) is None
except ValueError as error:
    refused = True
    print("seen:     scipy:", error)
sys.exit(0 if seen == KNOWN and refused else "the behaviour has changed")
PYTHON
