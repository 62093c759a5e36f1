"""The dashboard, for `streamlit run dashboard.py`; `make dashboard` starts it.

All of it is in the package of the same name, which Python imports before this file. mypy takes the two for one module
named twice, so it passes this file over (pyproject.toml): hence no more than two lines here.
"""

from dashboard.frame import draw

draw()
