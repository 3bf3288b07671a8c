"""What each numbered step looks at, and what it finds."""
