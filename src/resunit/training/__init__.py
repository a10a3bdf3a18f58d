"""Training: a recipe becomes a run, whose folder holds weights, records and a report."""
