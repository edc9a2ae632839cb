"""What Slurm needs: facts of the cluster, and checks before anything is submitted."""
