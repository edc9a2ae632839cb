"""What the study is: config, runs, identities, plan, artefacts. Imports neither torch nor Snakemake."""
