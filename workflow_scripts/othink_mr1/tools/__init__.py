"""What people type beside snakemake: status, verify."""
