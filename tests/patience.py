"""How long tests wait for other processes."""

PATIENCE = 600.0
"""Seconds. Only what hangs takes as long, however busy the machine is."""
