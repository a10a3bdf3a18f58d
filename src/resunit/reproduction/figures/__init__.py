"""The figures: training curves, and the signal in the designs."""
