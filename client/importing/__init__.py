"""An import under way: what is sent, what becomes of it, and what is printed at its end."""
