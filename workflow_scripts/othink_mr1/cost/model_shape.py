"""The shape of a Qwen2-VL: what its numbers of parameters, operations and bytes follow from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from othink_mr1.config.sources import LocalBackbone, SmallBackbone
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.plan.folders import backbone_folder

PATCHES_PER_IMAGE_TOKEN = 4  # 2 x 2 patches are merged
PATCH_VALUES = 3 * 2 * 14 * 14  # colours x frames x pixels
SMALL_FEED_FORWARD_RATIO = 2  # as in modeling/small_backbone.py, which imports torch


@dataclass(frozen=True)
class ModelShape:
    """Widths and depths, as in config.json. feed_forward: of the language model's gated layers."""

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    key_value_heads: int
    feed_forward: int
    vision_layers: int
    vision_hidden: int
    vision_heads: int
    vision_feed_forward: int
    tied: bool  # the head's weights are the embedding's

    @property
    def key_value(self) -> int:
        """Width of the keys, and of the values."""
        return self.hidden // self.heads * self.key_value_heads

    @property
    def attention_weights(self) -> int:
        """Matrices of a layer's attention: queries, keys, values, output."""
        return 2 * self.hidden**2 + 2 * self.hidden * self.key_value

    @property
    def feed_forward_weights(self) -> int:
        """Matrices of a layer's feed-forward part: gate, up, down."""
        return 3 * self.hidden * self.feed_forward

    @property
    def head(self) -> int:
        """The head's matrix, which is the embedding's too if they are tied."""
        return self.vocabulary * self.hidden

    @property
    def text_linear(self) -> int:
        """Matrices of all layers of the language model, without embedding and head."""
        return self.layers * (self.attention_weights + self.feed_forward_weights)

    @property
    def text_layer(self) -> int:
        """Parameters of one layer of the language model: matrices, biases and norms."""
        biases_and_norms = self.hidden + 2 * self.key_value + 2 * self.hidden
        return self.attention_weights + self.feed_forward_weights + biases_and_norms

    @property
    def text(self) -> int:
        """Parameters of the language model, embedding and head included."""
        embeddings = self.head * (1 if self.tied else 2)
        return self.layers * self.text_layer + self.hidden + embeddings

    @property
    def patch_embedding(self) -> int:
        """The vision tower's first matrix."""
        return PATCH_VALUES * self.vision_hidden

    @property
    def vision_block_linear(self) -> int:
        """Matrices of one layer of the vision tower."""
        return 4 * self.vision_hidden**2 + 2 * self.vision_hidden * self.vision_feed_forward

    @property
    def merger_linear(self) -> int:
        """Matrices that turn four patches into an image token."""
        merged = PATCHES_PER_IMAGE_TOKEN * self.vision_hidden
        return merged**2 + merged * self.hidden

    @property
    def vision_linear(self) -> int:
        """Matrices of the vision tower without the patch embedding, which is no Linear module."""
        return self.vision_layers * self.vision_block_linear + self.merger_linear

    @property
    def vision_block(self) -> int:
        """Parameters of one layer of the vision tower."""
        norms = 4 * self.vision_hidden
        biases = 3 * self.vision_hidden + self.vision_hidden  # of attention
        biases += self.vision_feed_forward + self.vision_hidden
        return self.vision_block_linear + norms + biases

    @property
    def vision(self) -> int:
        """Parameters of the vision tower."""
        of_merger = 2 * self.vision_hidden + PATCHES_PER_IMAGE_TOKEN * self.vision_hidden + self.hidden
        of_merger += self.merger_linear
        return self.patch_embedding + self.vision_layers * self.vision_block + of_merger

    @property
    def parameters(self) -> int:
        """All of them; tied weights count once."""
        return self.text + self.vision


# From the config.json of the repositories on the hub.
_VISION = {"vision_layers": 32, "vision_hidden": 1280, "vision_heads": 16, "vision_feed_forward": 5120}
PUBLISHED = {
    "Qwen/Qwen2-VL-2B-Instruct": ModelShape(
        vocabulary=151936,
        hidden=1536,
        layers=28,
        heads=12,
        key_value_heads=2,
        feed_forward=8960,
        tied=True,
        **_VISION,
    ),
    "Qwen/Qwen2-VL-7B-Instruct": ModelShape(
        vocabulary=152064,
        hidden=3584,
        layers=28,
        heads=28,
        key_value_heads=4,
        feed_forward=18944,
        tied=False,
        **_VISION,
    ),
}


def backbone_shape(config: StudyConfig, name: str) -> ModelShape:
    """A backbone's shape: from its folder if it is there, else from its declaration.

    UserError for one of the hub that is neither there nor among PUBLISHED.
    """
    backbone = config.backbones[name]
    file = Path(config.results, backbone_folder(config, name), "config.json")
    if file.exists():
        return shape_of_config(file)
    if isinstance(backbone, SmallBackbone):
        return _small(backbone)
    if isinstance(backbone, LocalBackbone):
        return shape_of_config(Path(backbone.path, "config.json"))
    if backbone.repository not in PUBLISHED:
        raise UserError(
            f"backbone {name}: its size is in its config.json, which is not there yet; run `snakemake "
            "download` first"
        )
    return PUBLISHED[backbone.repository]


def shape_of_config(file: Path) -> ModelShape:
    """Read a config.json, of transformers 5 or older. UserError if it is not one of a Qwen2-VL."""
    try:
        return shape_of_values(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{file}: is no config of a Qwen2-VL ({error!r}); download the backbone again"
        ) from None


def shape_of_values(content: Mapping[str, Any]) -> ModelShape:
    """The shape that a config.json's content, or a loaded config's `to_dict()`, describes."""
    # Older ones have the language model's values at the top.
    text: Mapping[str, Any] = content.get("text_config") or content
    vision: Mapping[str, Any] = content["vision_config"]
    return ModelShape(
        vocabulary=text["vocab_size"],
        hidden=text["hidden_size"],
        layers=text["num_hidden_layers"],
        heads=text["num_attention_heads"],
        key_value_heads=text["num_key_value_heads"],
        feed_forward=text["intermediate_size"],
        vision_layers=vision["depth"],
        vision_hidden=vision["embed_dim"],
        vision_heads=vision["num_heads"],
        vision_feed_forward=int(vision["embed_dim"] * vision["mlp_ratio"]),
        tied=content.get("tie_word_embeddings", False),
    )


def _small(settings: SmallBackbone) -> ModelShape:
    """Its tokenizer may turn out a little smaller than the vocabulary_size that is asked for."""
    return ModelShape(
        vocabulary=settings.vocabulary_size,
        hidden=settings.hidden_size,
        layers=settings.layers,
        heads=settings.heads,
        key_value_heads=settings.key_value_heads,
        feed_forward=settings.hidden_size * SMALL_FEED_FORWARD_RATIO,
        vision_layers=settings.vision_layers,
        vision_hidden=settings.vision_hidden_size,
        vision_heads=settings.vision_heads,
        vision_feed_forward=settings.vision_hidden_size * SMALL_FEED_FORWARD_RATIO,
        tied=True,
    )
