"""Screens that come with safegen, one a file; each registers itself."""
