"""Command line tools beside snakemake: status, verify, what-if, prune."""
