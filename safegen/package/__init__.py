"""A model package: its files, and the card that people read."""
