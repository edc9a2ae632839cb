"""The model: loading and saving a Qwen2-VL, prompts, packed rows, decoding, and the small backbone."""
