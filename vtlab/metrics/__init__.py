"""Metrics: each defined once, in the module of its subject; ``registry`` finds it by name."""
