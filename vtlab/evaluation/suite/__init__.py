"""Suites: which configurations are tried on which clips, what is measured, and what is good enough."""
