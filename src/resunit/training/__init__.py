"""Training: recipes, the loop, checkpoints, and everything that a step needs."""
