"""The files of a run, as typed and versioned records."""
