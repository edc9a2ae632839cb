"""Counting scenes: what is drawn, what is asked and what is answered agree."""

from collections import Counter
from functools import partial

import numpy as np
import pytest
from PIL import Image, ImageDraw
from raw_sets import rendered_source

from othink_mr1.data.rendering import scenes
from othink_mr1.data.rendering.canvas import Pen
from othink_mr1.data.rendering.items import SPLIT_SHARES, split_of
from othink_mr1.data.rendering.render_source import png_bytes
from othink_mr1.data.rendering.shapes import SHAPES

source = partial(rendered_source, "scenes", style="clevr")


def test_counts_are_equally_frequent():
    golds = Counter(item.gold for item in scenes.render_scenes(source(items=64)))
    assert golds == {str(count): 8 for count in range(3, 11)}


def test_a_source_can_have_counts_of_its_own():
    golds = Counter(item.gold for item in scenes.render_scenes(source(items=9, counts=[3, 7, 10])))
    assert golds == {"3": 3, "7": 3, "10": 3}


def test_counts_are_shuffled():
    golds = [item.gold for item in scenes.render_scenes(source(items=16))]
    assert golds != sorted(golds, key=int)
    assert golds[:8] != golds[8:]


def test_reasoning_counts_the_rows_and_ends_in_the_gold():
    for item in scenes.render_scenes(source()):
        rows, total = item.reasoning.removeprefix("Row by row: ").removesuffix(".").split(". Together ")
        assert sum(map(int, rows)) == int(total) == int(item.gold)
        assert len(rows) == 4


@pytest.mark.parametrize("style", ["clevr", "superclevr", "mixed"])
def test_each_row_of_the_picture_has_as_many_objects_as_the_reasoning_says(style, monkeypatch):
    """Seen in the pixels: an object is where the scene differs from the same one without objects."""
    described = []
    describe = scenes.describe_scene
    monkeypatch.setattr(scenes, "describe_scene", lambda *a: described.append(describe(*a)) or described[-1])
    for item in scenes.render_scenes(source(style=style, items=16)):
        scene = next(scene for scene in described if same_picture(scenes.draw_scene(scene, 112), item.image))
        empty = np.asarray(scenes.draw_scene(scene | {"objects": []}, 112)).astype(int)
        differs = np.abs(np.asarray(item.image).astype(int) - empty).sum(axis=2) > 30  # [height, width]
        cells = differs.reshape(4, 28, 4, 28).mean(axis=(1, 3)) > 0.06  # [rows, columns]
        counts = "".join(str(row.sum()) for row in cells)
        assert item.reasoning == f"Row by row: {counts}. Together {item.gold}."


def test_the_question_is_the_clevr_sets_own():
    questions = {item.question for item in scenes.render_scenes(source(items=40))}
    assert questions == {"How many different items are there in the image?"}


def test_same_settings_same_pictures_and_another_seed_others():
    first, again, other = (
        [png_bytes(item.image) for item in scenes.render_scenes(source(items=8, seed=seed))]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert not set(first) & set(other)


def test_splits_never_share_a_picture():
    """The splits of one seed and style have each only pictures whose lot is theirs."""
    for split in SPLIT_SHARES:
        lots = scenes.random.Random(0)
        scene = scenes.draw_until(split, lambda lots=lots: scenes.describe_scene(lots, "clevr", 5), set())
        assert split_of(scene) == split
    lots = scenes.random.Random(0)
    shares = Counter(split_of(scenes.describe_scene(lots, "clevr", 5)) for _ in range(1000))
    assert shares["backbone"] == pytest.approx(400, abs=60)
    assert shares["held_out"] == pytest.approx(100, abs=40)
    assert shares["test"] == pytest.approx(200, abs=60)


def test_no_picture_comes_twice():
    numbers = [number for number in range(100) if split_of({"number": number}) == "train"]
    lots = iter([numbers[0], numbers[0], numbers[1]])
    seen = set()
    drawn = [scenes.draw_until("train", lambda: {"number": next(lots)}, seen)["number"] for _ in range(2)]
    assert drawn == numbers[:2]


def test_the_styles_differ_in_shapes_and_colours():
    """SuperCLEVR stands for another kind of picture than the training set's."""
    (shapes, colours, grounds), (other_shapes, other_colours, other_grounds) = (
        scenes.STYLES[style] for style in ("clevr", "superclevr")
    )
    assert not set(shapes) & set(other_shapes)
    assert not set(colours) & set(other_colours)
    assert not set(grounds) & set(other_grounds)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_stays_within_its_square(shape):
    """Else it could be cut off at the picture's edge or cover its neighbour."""
    picture = Image.new("RGB", (300, 300), "white")
    SHAPES[shape](Pen(ImageDraw.Draw(picture, "RGBA"), (150.0, 150.0), 100.0), (200, 30, 30))
    left, top, right, bottom = Image.eval(picture, lambda value: 255 - value).getbbox()
    assert left >= 48
    assert top >= 48
    assert right <= 253
    assert bottom <= 253
    assert right - left > 100
    assert bottom - top > 60


@pytest.mark.parametrize("size", [56, 112, 224])
def test_image_size(size):
    (item,) = scenes.render_scenes(source(items=1, image_size=size))
    assert item.image.size == (size, size)
    assert item.image.mode == "RGB"


def same_picture(one, other):
    return one.tobytes() == other.tobytes()
