"""Configurations in production: what is in force, its evidence, and its history."""
