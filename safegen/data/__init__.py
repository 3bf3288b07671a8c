"""Data sets, their cards, and the places they come from."""
