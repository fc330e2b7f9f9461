"""Sweeps: every configuration of a suite on every clip, in processes or on a cluster."""
