"""Kubernetes tooling: render, submit, watch and gate the RayJobs of a pipeline."""
