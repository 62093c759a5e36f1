"""`python -m fields check FILE`: what fields of one's own do to the prompt, and what a conversation more costs."""

from services.fields_check import main

if __name__ == "__main__":
    raise SystemExit(main())
