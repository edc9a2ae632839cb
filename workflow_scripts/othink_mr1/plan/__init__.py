"""The plan from the config: identities, folders, runs, evaluations, inputs of exhibits, the tables."""
