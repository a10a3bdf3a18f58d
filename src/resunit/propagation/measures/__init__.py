"""Measuring the signal and the gradient at junctions that were found before."""
