"""What can wait: by batches at the provider, or live behind everything fresh."""
