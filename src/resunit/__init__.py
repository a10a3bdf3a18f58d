"""Deep residual networks of He et al. 2016: built, trained and dissected."""
