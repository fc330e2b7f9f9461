"""Evaluations in MLflow: runs and their files."""
