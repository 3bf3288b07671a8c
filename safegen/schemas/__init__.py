"""Frozen values that travel and are signed; no behaviour, no torch."""
