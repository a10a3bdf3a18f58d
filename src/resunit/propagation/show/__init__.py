"""Measurements in words, pictures and pages."""
