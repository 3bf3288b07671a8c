"""The append-only log of releases: tables, tree, proofs, signed heads, receipts."""
