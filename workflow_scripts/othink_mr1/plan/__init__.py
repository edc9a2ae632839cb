"""What the config means: identities and folders, runs, evaluations, what exhibits are made of, the tables."""
