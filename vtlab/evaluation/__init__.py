"""Evaluation: data sets, and what dubs of them are worth."""
