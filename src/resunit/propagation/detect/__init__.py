"""Finds the junctions h(x) + F(x) of any network."""
