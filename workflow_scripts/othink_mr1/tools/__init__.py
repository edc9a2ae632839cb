"""What people type beside snakemake: status, verify, what-if, prune."""
