"""xAI's Batch API: many requests in one batch, 20 % cheaper, answered within a day and mostly within a minute."""
