"""Who signs, and whom to believe: X.509, custody of keys, lists of trust."""
