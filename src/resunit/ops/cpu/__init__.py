"""Compiled arithmetic for the CPU, and the plain torch it falls back to."""
