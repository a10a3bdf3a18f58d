"""What a run writes, as typed and versioned records."""
