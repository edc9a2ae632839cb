"""The study's config: config.yaml, its types and its checks."""
