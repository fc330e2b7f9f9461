"""Measure a dubbed file, whoever made it, against its source and a reference."""
