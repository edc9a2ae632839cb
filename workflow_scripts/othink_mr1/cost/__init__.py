"""What a study costs, computed beforehand from the config: FLOP, GPU memory, disk, GPU-hours. No torch."""
