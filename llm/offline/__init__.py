"""What the offline analyzer knows: words, rules and sentences; `child` is the process that applies them."""
