"""Files to verdicts, in numbered steps; never imports torch."""
