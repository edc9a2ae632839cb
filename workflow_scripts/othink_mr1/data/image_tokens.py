"""How many tokens Qwen2-VL makes of a picture, without loading transformers.

Source: `smart_resize` in transformers' models/qwen2_vl/image_processing_qwen2_vl.py (5.23) and Qwen2-VL's
preprocessor_config.json. The tests compare it with transformers' own.
"""

from __future__ import annotations

import math

SIDE = 28  # pixels of a token's side: 2 x 2 patches of 14 x 14
LEAST_PIXELS = 56 * 56
# The 2B model's own. The small backbone's is lower and makes no more tokens.
MOST_PIXELS = 12_845_056


def image_tokens(width: int, height: int) -> int:
    """The image tokens of a picture of width x height pixels, as Qwen2-VL's processor resizes it."""
    rows, columns = round(height / SIDE), round(width / SIDE)
    if rows * columns * SIDE**2 > MOST_PIXELS:
        shrink = math.sqrt(height * width / MOST_PIXELS)
        rows = max(1, math.floor(height / shrink / SIDE))
        columns = max(1, math.floor(width / shrink / SIDE))
    elif rows * columns * SIDE**2 < LEAST_PIXELS:
        grow = math.sqrt(LEAST_PIXELS / (height * width))
        rows = math.ceil(height * grow / SIDE)
        columns = math.ceil(width * grow / SIDE)
    return rows * columns
