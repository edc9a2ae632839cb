"""What a data card tells of a prepared set, found by reading it once."""

from __future__ import annotations

import io
import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from othink_mr1.artefacts.manifests import MANIFEST, read_manifest
from othink_mr1.data.examples import EXAMPLES_FILE, read_examples
from othink_mr1.data.images import UNREADABLE
from othink_mr1.errors import UserError


@dataclass(frozen=True)
class Spread:
    """The least, the middle and the greatest of some whole numbers; the middle of two is the lower."""

    least: int
    middle: int
    greatest: int

    def __str__(self) -> str:
        return f"{self.least} / {self.middle} / {self.greatest}"


@dataclass(frozen=True)
class SetFacts:
    """rows: usable ones, as prepared; raw_rows: before; unusable: reason -> rows left out for it.

    widths, heights in pixels; question_lengths in characters; with_reasoning: rows; golds: answer -> rows.
    """

    rows: int
    raw_rows: int
    unusable: dict[str, int]
    widths: Spread
    heights: Spread
    question_lengths: Spread
    with_reasoning: int
    golds: Counter[str]


def set_facts(folder: Path) -> SetFacts:
    """Read a prepared set. UserError if it is incomplete, empty or damaged."""
    manifest = read_manifest(folder)
    for key in ("raw_rows", "unusable"):
        if key not in manifest:
            raise UserError(f"{folder / MANIFEST}: has no {key!r}; delete it and run snakemake again")
    sizes: list[tuple[int, int]] = []
    lengths: list[int] = []
    golds: Counter[str] = Counter()
    with_reasoning = 0
    for example in read_examples(folder / EXAMPLES_FILE):
        sizes.append(_size(example.image, f"{folder}: the picture of {example.id}"))
        lengths.append(len(example.question))
        with_reasoning += example.reasoning is not None
        golds[example.gold] += 1
    if not sizes:
        raise UserError(f"{folder / EXAMPLES_FILE}: has no examples; prepare the set again")
    return SetFacts(
        rows=len(sizes),
        raw_rows=manifest["raw_rows"],
        unusable=manifest["unusable"],
        widths=_spread([width for width, _ in sizes]),
        heights=_spread([height for _, height in sizes]),
        question_lengths=_spread(lengths),
        with_reasoning=with_reasoning,
        golds=golds,
    )


def _size(data: bytes, where: str) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(data)) as image:  # reads the header alone
            return image.size
    except UNREADABLE as error:
        raise UserError(f"{where} cannot be read ({error}); prepare the set again") from None


def _spread(values: list[int]) -> Spread:
    return Spread(min(values), statistics.median_low(values), max(values))
