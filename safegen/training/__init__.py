"""From records to a generator, through the private engine."""
