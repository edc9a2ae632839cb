"""What is asked for: config.yaml, its types and its checks."""
