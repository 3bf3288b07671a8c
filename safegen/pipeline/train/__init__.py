"""From records to a certified, signed package."""
