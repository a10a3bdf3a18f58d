"""An experiment: one run of a row at a scale, its setting, and the identity by which its record is found."""
