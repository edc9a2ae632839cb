"""What the config means: runs with their identities and folders, evaluations, what exhibits are made of."""
