"""Measures the signal and the gradient at known junctions."""
