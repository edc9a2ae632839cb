"""What docs/lab-notes.md and docs/speed.md were measured with."""
