"""Which latents made what in an output, and how far that can be believed."""
