"""Lengths of a set's prompts and targets, before it is prepared: exact for pictures drawn here, else assumed.

A prepared set's manifest does not record lengths, so they are assumed for it too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from othink_mr1.config.sources import HubSource, PartSource, PromptsSource, RenderedSource
from othink_mr1.config.study import StudyConfig

SIDE = 28  # pixels of an image token
MIN_PIXELS = 56 * 56  # the image processor enlarges smaller pictures


@dataclass(frozen=True)
class SetLengths:
    """A set's typical item, in tokens. text: of the prompt, without the image's; reasoning: of a target's.

    said: the set and its picture, in words, for the reader of the table.
    """

    image: int
    text: int
    reasoning: int
    said: str

    @property
    def prompt(self) -> int:
        return self.image + self.text


# Repository -> width and height in pixels, tokens of text, tokens of reasoning. CLEVR's and Super-CLEVR's
# pictures have one size; GeoQA's vary, and the size here is a guess, as are all numbers of tokens.
_KNOWN = {
    "MMInstruction/Clevr_CoGenT_TrainA_R1": (480, 320, 40, 1000),
    "leonardPKU/clevr_cogen_a_train": (480, 320, 40, 1000),
    "leonardPKU/GEOQA_R1V_Train_8K": (320, 220, 110, 0),
    "Luckyjhg/Geo170K": (320, 220, 110, 0),
    "tobiaslee/Super_clevr200": (640, 480, 40, 0),
    "MMInstruction/SuperClevr_Val": (640, 480, 40, 0),
    "leonardPKU/superclevr": (640, 480, 40, 0),
}
# Repository -> rows, as config.yaml says.
_ROWS = {
    "MMInstruction/Clevr_CoGenT_TrainA_R1": 37_800,
    "leonardPKU/clevr_cogen_a_train": 70_000,
    "leonardPKU/GEOQA_R1V_Train_8K": 8_030,
}
_TEXT, _REASONING, _OTHER_ROWS = 100, 200, 10_000  # of a set that is not known
_RENDERED_TEXT, _RENDERED_REASONING = 65, 30  # of the miniature's, in its own tokenizer's tokens


def set_lengths(config: StudyConfig, source: str) -> SetLengths:
    """A set's lengths. A set that is not known has pictures as large as `preparation.max_pixels` allows."""
    declared = config.sources[config.whole_set(source)]
    most = config.preparation.max_pixels
    if isinstance(declared, RenderedSource):
        side = declared.image_size
        tokens = image_tokens(side, side, most)
        return SetLengths(tokens, _RENDERED_TEXT, _RENDERED_REASONING, f"{source} {side} x {side}")
    if isinstance(declared, PromptsSource):
        pictures = set_lengths(config, declared.images)
        return SetLengths(
            pictures.image,
            pictures.text,
            pictures.reasoning,
            f"{source}{pictures.said[len(declared.images) :]}",
        )
    known = _KNOWN.get(declared.repository) if isinstance(declared, HubSource) else None
    if known is None:
        return SetLengths(most // SIDE**2, _TEXT, _REASONING, f"{source} of {most} pixels, the most allowed")
    width, height, text, reasoning = known
    tokens = image_tokens(width, height, most)
    return SetLengths(tokens, text, reasoning, f"{source} {width} x {height}")


def set_items(config: StudyConfig, source: str) -> int:
    declared = config.sources[source]
    if isinstance(declared, PartSource):
        whole = set_items(config, declared.of)
        validation = math.ceil(declared.validation.share * whole)
        return validation if declared.part == "validation" else whole - validation
    if isinstance(declared, PromptsSource):
        return declared.expect_rows
    if isinstance(declared, RenderedSource):
        return declared.items
    return _ROWS.get(declared.repository, _OTHER_ROWS) if isinstance(declared, HubSource) else _OTHER_ROWS


def image_tokens(width: int, height: int, max_pixels: int) -> int:
    """Image tokens of a picture in pixels, as Qwen2-VL's image processor rounds its sides."""
    shrunk = min(1.0, math.sqrt(max_pixels / (width * height)))  # by the preparation
    sides = [max(SIDE, round(side * shrunk / SIDE) * SIDE) for side in (height, width)]
    if sides[0] * sides[1] < MIN_PIXELS:
        enlarged = math.sqrt(MIN_PIXELS / (height * width))
        sides = [math.ceil(side * enlarged / SIDE) * SIDE for side in (height, width)]
    return sides[0] * sides[1] // SIDE**2
