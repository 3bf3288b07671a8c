"""Array to file and back: the value range, the file format, how a manifest is carried."""
