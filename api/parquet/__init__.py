"""Lists as Parquet, written by child processes, so that the service does without pyarrow's memory."""
