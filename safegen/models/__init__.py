"""Small networks that are safe under per-sample gradients, and the generator they become."""
