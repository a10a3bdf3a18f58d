"""The log of a run for other tools: read from its folder, outside of the training loop."""
