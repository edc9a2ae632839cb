"""What the renderers deal in, and how an item is assigned to a split.

A renderer first draws lots for a *description* (everything the picture shows, as plain values) and only
then draws the picture. The description's sha256 decides which split the item may belong to, so that the
backbone, training, held-out and test sets cannot share a picture, whatever their seeds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

Description = dict[str, Any]

# Out of 100 descriptions, how many each split may use. Settings are chosen on the held-out ones.
SPLIT_SHARES = {"backbone": 40, "train": 30, "held_out": 10, "test": 20}


@dataclass(frozen=True)
class Answer:
    """answer: the text without tags; reasoning: without <think> tags."""

    answer: str
    reasoning: str


@dataclass(frozen=True)
class RenderedItem:
    """One picture with its question. gold: the answer without tags; reasoning: without <think> tags."""

    image: Image.Image
    question: str
    gold: str
    reasoning: str


def split_of(description: Description) -> str:
    """The one split that may show this picture."""
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))
    lot = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % 100
    for split, share in SPLIT_SHARES.items():
        if lot < share:
            return split
        lot -= share
    raise AssertionError("the shares make 100")


def draw_until(split: str, describe: Callable[[], Description], seen: set[str]) -> Description:
    """Draw lots until a description belongs to `split` and was not in `seen`; adds it to `seen`."""
    # A lot falls to a split at 1 in 10 or better: 10,000 misses mean that there is nothing left to draw.
    for _ in range(10_000):
        description = describe()
        text = json.dumps(description, sort_keys=True)
        if text not in seen and split_of(description) == split:
            seen.add(text)
            return description
    raise AssertionError(f"no new description for split {split} in 10,000 draws")
