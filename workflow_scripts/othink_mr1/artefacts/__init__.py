"""How results are kept: written aside, with manifests, by one writer at a time."""
