"""Per-unit gradients, clipped and summed."""
