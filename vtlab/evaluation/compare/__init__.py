"""Comparisons of systems: bootstrap intervals, losses per stage, and what listeners prefer."""
