"""What `ingest_data.py` is made of: files in, conversations out, over the HTTP API."""
