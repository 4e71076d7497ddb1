"""What a record means: statistics, bounds and verdicts."""
