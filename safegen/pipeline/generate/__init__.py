"""From a request to outputs that were allowed, explained, signed and logged."""
