"""The offline analyzer: lexicon and rules; `analyzer` is its interface, `child` the process that does the work."""
