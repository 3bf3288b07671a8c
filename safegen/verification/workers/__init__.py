"""Processes that look at files: within limits, and without a network."""
