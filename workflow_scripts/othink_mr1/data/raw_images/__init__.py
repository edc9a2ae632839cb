"""The images that prompt files name, found in downloaded archives, parquet files and folders."""
