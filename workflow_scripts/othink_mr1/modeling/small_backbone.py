"""A small Qwen2-VL with random weights, shaped by the config's SmallBackbone entry."""

from __future__ import annotations

import torch
from transformers import GenerationConfig, Qwen2Tokenizer, Qwen2VLConfig, Qwen2VLForConditionalGeneration

from othink_mr1.config.sources import SmallBackbone
from othink_mr1.modeling.own_kernels import use_own_kernels
from othink_mr1.modeling.tokenizer import END_OF_MESSAGE, END_OF_TEXT

# Width of the feed-forward layers divided by the width of the hidden state.
FEED_FORWARD_RATIO = 2

# transformers' 0.02 suits widths in the thousands; at width 128 learning then starts late.
INITIALIZER_RANGE = 0.06

# The axes of the picture get the slow half of the rotary frequencies. With the 2B model's base of a million,
# two neighbouring cells of a small picture would look alike to a model with 16 frequencies.
ROTARY_BASE = 10.0


def new_small_backbone(settings: SmallBackbone, tokenizer: Qwen2Tokenizer) -> Qwen2VLForConditionalGeneration:
    """Build the model with weights drawn from settings.seed; evaluation mode, on the CPU, fp32."""
    torch.manual_seed(settings.seed)
    model = Qwen2VLForConditionalGeneration(small_config(settings, tokenizer))
    end_of_text, end_of_message = tokenizer.convert_tokens_to_ids([END_OF_TEXT, END_OF_MESSAGE])
    model.generation_config = GenerationConfig(
        eos_token_id=[end_of_message, end_of_text], pad_token_id=end_of_text, do_sample=False
    )
    use_own_kernels(model)
    return model.eval()


def small_config(settings: SmallBackbone, tokenizer: Qwen2Tokenizer) -> Qwen2VLConfig:
    """The architecture: Qwen2-VL's, with the settings' sizes and the tokenizer's ids."""
    token_id = tokenizer.convert_tokens_to_ids
    rotary_frequencies = settings.hidden_size // settings.heads // 2
    # Time, height and width share the rotary frequencies 1 : 1.5 : 1.5, as in the 2B model (16, 24, 24).
    spatial = rotary_frequencies * 3 // 8
    return Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": settings.hidden_size,
            "intermediate_size": settings.hidden_size * FEED_FORWARD_RATIO,
            "num_hidden_layers": settings.layers,
            "num_attention_heads": settings.heads,
            "num_key_value_heads": settings.key_value_heads,
            "max_position_embeddings": 4096,
            "initializer_range": INITIALIZER_RANGE,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": ROTARY_BASE,
                "mrope_section": [rotary_frequencies - 2 * spatial, spatial, spatial],
            },
            "bos_token_id": None,
            "eos_token_id": token_id(END_OF_MESSAGE),
            "pad_token_id": None,
        },
        vision_config={
            "depth": settings.vision_layers,
            "embed_dim": settings.vision_hidden_size,
            "num_heads": settings.vision_heads,
            "hidden_size": settings.hidden_size,
            "mlp_ratio": FEED_FORWARD_RATIO,
            "initializer_range": INITIALIZER_RANGE,
        },
        image_token_id=token_id("<|image_pad|>"),
        video_token_id=token_id("<|video_pad|>"),
        vision_start_token_id=token_id("<|vision_start|>"),
        vision_end_token_id=token_id("<|vision_end|>"),
        tie_word_embeddings=True,
        initializer_range=INITIALIZER_RANGE,
    )
