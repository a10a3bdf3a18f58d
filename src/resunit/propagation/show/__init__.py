"""Showing a measurement in sentences, figures and pages."""
