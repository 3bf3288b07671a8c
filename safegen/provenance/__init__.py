"""Where an output came from: claims, keys, manifests, fingerprints, the ledger."""
