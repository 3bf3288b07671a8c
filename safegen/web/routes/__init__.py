"""Endpoints, a file a concern."""
