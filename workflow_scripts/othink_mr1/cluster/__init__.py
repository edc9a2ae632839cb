"""Slurm: facts about the cluster, and checks before anything is submitted."""
