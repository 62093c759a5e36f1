"""Discovery: the texts that a run groups, and the groups that it found."""
