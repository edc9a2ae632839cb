"""SFT, GRPO and GRPO-D, one file per concept, and the small backbone's pretraining."""
