"""Networks: a stem, stages of residual units, and a head."""
