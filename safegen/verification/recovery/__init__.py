"""Copies without their manifest back to what was signed: by fingerprint, in the logs' own index."""
