"""The model that everything is measured on: a real but tiny Qwen2-VL with random weights, made on the spot.

Language model: 4 layers, hidden 256, 4 heads and 2 for keys and values, feed-forward 768, vocabulary 2048,
3.67 million parameters. Vision tower: 4 layers of 128, 1.34 million.
"""

from __future__ import annotations

import random
from pathlib import Path

import torch
from transformers import GenerationConfig, Qwen2VLForConditionalGeneration

from othink_mr1.config.sources import SmallBackbone
from othink_mr1.modeling.processor import new_processor, save_processor
from othink_mr1.modeling.small_backbone import small_config
from othink_mr1.modeling.tokenizer import DEFAULT_SYSTEM_MESSAGE, END_OF_MESSAGE, END_OF_TEXT, train_tokenizer

VOCABULARY = 2048
FEED_FORWARD = 768
VISION_FEED_FORWARD_RATIO = 4
SEED = 7


def words(count: int, seed: int) -> list[str]:
    """Made-up words of one to three syllables, the same for the same seed."""
    rng = random.Random(seed)
    syllables = [onset + vowel for onset in "bdfgklmnprstvz" for vowel in "aeiou"]
    return ["".join(rng.choices(syllables, k=rng.randint(1, 3))) for _ in range(count)]


def make_backbone(folder: Path) -> None:
    """Write the model, its tokenizer and its processor into a folder."""
    # The template's own words often enough to become tokens, as in the real vocabulary.
    texts = [f"{DEFAULT_SYSTEM_MESSAGE} {' '.join(words(40, seed))}" for seed in range(400)]
    tokenizer = train_tokenizer(texts, VOCABULARY)
    assert len(tokenizer) == VOCABULARY, f"the texts gave {len(tokenizer)} tokens"
    # Only sizes are set: there is no pretraining.
    sizes = SmallBackbone.model_construct(
        hidden_size=256,
        layers=4,
        heads=4,
        key_value_heads=2,
        vision_hidden_size=128,
        vision_layers=4,
        vision_heads=4,
    )
    config = small_config(sizes, tokenizer)
    config.text_config.intermediate_size = FEED_FORWARD
    config.vision_config.mlp_ratio = VISION_FEED_FORWARD_RATIO
    torch.manual_seed(SEED)
    model = Qwen2VLForConditionalGeneration(config)
    end_of_text, end_of_message = tokenizer.convert_tokens_to_ids([END_OF_TEXT, END_OF_MESSAGE])
    model.generation_config = GenerationConfig(
        eos_token_id=[end_of_message, end_of_text], pad_token_id=end_of_text, do_sample=False
    )
    model.save_pretrained(folder)
    save_processor(new_processor(tokenizer), folder)


def load_stock(folder: Path) -> Qwen2VLForConditionalGeneration:
    """The model as transformers has it, with torch's own attention; fp32, evaluation mode."""
    model: Qwen2VLForConditionalGeneration = Qwen2VLForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="sdpa"
    )
    return model.eval()
