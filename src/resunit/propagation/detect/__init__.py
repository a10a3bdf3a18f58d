"""Finding the junctions h(x) + F(x) of any network, without naming modules."""
