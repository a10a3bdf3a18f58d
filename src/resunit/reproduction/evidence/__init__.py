"""The records of runs: made, read, pooled, and found in folders and files."""
