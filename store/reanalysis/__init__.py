"""Re-analyses: which conversations they have chosen, and what becomes of each."""
