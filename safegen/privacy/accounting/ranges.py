"""What a certificate can state and an accountant can count; light enough for `--help`."""

from __future__ import annotations

MIN_DELTA = 1e-12  # below which the accountant's numbers are not sure any more
NOISE_RANGE = (0.05, 1e6)
MAX_STEPS = 10_000_000
