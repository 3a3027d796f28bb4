"""Kernels that formats share: spans of bytes become Arrow columns, times, numbers and text; no object a value."""
