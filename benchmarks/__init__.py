"""Clinray measured against other ways to do the same work, in one run on one machine: `python -m benchmarks`."""
