"""Trained networks at work: loading, evaluating, predicting, and copies that are fast at it."""

from resunit.inference.fuse import fold

__all__ = ["fold"]
