"""Finds personal data in texts by rules, and replaces it by placeholders: `redactor.py` is the way in."""
