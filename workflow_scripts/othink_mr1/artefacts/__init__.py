"""Storage of results: atomic writes, manifests, one writer at a time."""
