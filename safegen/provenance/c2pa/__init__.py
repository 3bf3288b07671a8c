"""What a manifest says, how it is signed and how it is read."""
