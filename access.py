"""`python -m access create-key | list-keys | revoke-key | verify-audit | verify-receipt`, without a browser.

It works on the database itself, also while the service runs on it.
"""

from services.access.command import main

if __name__ == "__main__":
    raise SystemExit(main())
