"""Measures how well the perceptual hash tells copies of a picture from other pictures.

    PYTHONPATH=workflow_scripts python benchmarks/near_pictures.py [--train 2000] [--test 600]

Per set and size: bits between each test picture and copies of it that were altered; bits to the closest of
independent training pictures, any and those with the same question. The last is what leaks.py counts.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from othink_mr1.config.sources import RenderedSource
from othink_mr1.data.fingerprints import normalised, picture_hash
from othink_mr1.data.rendering.items import RenderedItem
from othink_mr1.data.rendering.render_source import render_items

THRESHOLDS = (16, 24, 32, 40, 48)
FOUR_KINDS = ["straight_line", "right_angle", "inscribed_angle", "isosceles_triangle"]  # the miniature's
# Name -> renderer's settings of the training and of the test set.
SETS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "scenes, clevr / superclevr": (
        {"renderer": "scenes", "style": "clevr"},
        {"renderer": "scenes", "style": "superclevr"},
    ),
    "scenes, clevr / clevr": (
        {"renderer": "scenes", "style": "clevr"},
        {"renderer": "scenes", "style": "clevr"},
    ),
    "geometry, all kinds": ({"renderer": "geometry"}, {"renderer": "geometry"}),
    "geometry, four kinds": (
        {"renderer": "geometry", "kinds": FOUR_KINDS},
        {"renderer": "geometry", "kinds": FOUR_KINDS},
    ),
}


def _jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    def alter(image: Image.Image) -> Image.Image:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")

    return alter


def _scaled(factor: float) -> Callable[[Image.Image], Image.Image]:
    def alter(image: Image.Image) -> Image.Image:
        size = (round(image.width * factor), round(image.height * factor))
        return image.resize(size, Image.Resampling.BICUBIC)

    return alter


def _cropped(sides: int) -> Callable[[Image.Image], Image.Image]:
    """2 % cut off the left side, or off all four."""

    def alter(image: Image.Image) -> Image.Image:
        cut = round(0.02 * image.width)
        rest = cut if sides == 4 else 0
        return image.crop((cut, rest, image.width - rest, image.height - rest))

    return alter


def _bordered(image: Image.Image) -> Image.Image:
    framed = Image.new("RGB", (image.width + 2, image.height + 2), "black")
    framed.paste(image, (1, 1))
    return framed


def _brightened(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: ImageEnhance.Brightness(image).enhance(factor)


ALTERATIONS = {
    "JPEG 85": _jpeg(85),
    "JPEG 60": _jpeg(60),
    "0.5 x": _scaled(0.5),
    "2 x": _scaled(2),
    "brightness 0.8": _brightened(0.8),
    "brightness 1.2": _brightened(1.2),
    "black border of 1 pixel": _bordered,
    "2 % cut off one side": _cropped(1),
    "2 % cut off all sides": _cropped(4),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--train", type=int, default=2000, help="training pictures")
    parser.add_argument("--test", type=int, default=600, help="test pictures")
    arguments = parser.parse_args()
    within = " | ".join(f"≤ {bits}" for bits in THRESHOLDS)
    print(f"| set, pixels | what | {within} | least | median | greatest |")
    print("|---|---|" + "---:|" * (len(THRESHOLDS) + 3))
    for name, (train, test) in SETS.items():
        for pixels in (112, 224):
            _measure(
                f"{name}, {pixels}",
                list(_items("train", arguments.train, pixels, train)),
                list(_items("test", arguments.test, pixels, test)),
            )


def _items(split: str, items: int, pixels: int, settings: dict[str, Any]) -> Iterable[RenderedItem]:
    seed = 1 if split == "train" else 2
    common = {"kind": "rendered", "split": split, "items": items, "seed": seed, "reasoning": False}
    return render_items(RenderedSource.model_validate({**common, "image_size": pixels, **settings}))


def _measure(name: str, train: list[RenderedItem], test: list[RenderedItem]) -> None:
    own = _hashes(item.image for item in test)
    for alteration, alter in ALTERATIONS.items():
        altered = _hashes(alter(item.image) for item in test)
        _say(name, f"copies, {alteration}", np.bitwise_count(own ^ altered).sum(axis=1))
    training = _hashes(item.image for item in train)
    questions = np.array([normalised(item.question) for item in train])
    closest, closest_asked = [], []
    for item, one in zip(test, own, strict=True):
        distances = np.bitwise_count(training ^ one).sum(axis=1)
        closest.append(int(distances.min()))
        asked = distances[questions == normalised(item.question)]
        closest_asked += [int(asked.min())] if len(asked) else []
    _say(name, "closest other", np.array(closest))
    _say(name, f"closest other with the question ({len(closest_asked)})", np.array(closest_asked))


def _hashes(images: Iterable[Image.Image]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    return np.array([np.frombuffer(picture_hash(image), np.uint64) for image in images])


def _say(name: str, what: str, bits: np.ndarray[Any, Any]) -> None:
    shares = " | ".join(f"{np.mean(bits <= most):.1%}" for most in THRESHOLDS)
    print(f"| {name} | {what} | {shares} | {bits.min()} | {np.median(bits):.0f} | {bits.max()} |", flush=True)


if __name__ == "__main__":
    main()
