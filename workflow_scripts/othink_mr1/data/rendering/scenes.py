"""Counting: pictures of 3 to 10 objects, none hidden, with the question of the CLEVR sets.

Departure from the real scenes: each object's centre lies in its own cell of a 4 x 4 grid (at 112 pixels one
cell is one token of Qwen2-VL, 28 x 28 pixels). The row of an object is then unambiguous, so that the
reasoning text can count row by row, without which a model of a million parameters does not learn to count.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

from PIL import Image, ImageDraw

from othink_mr1.config.sources import RenderedSource
from othink_mr1.data.rendering.canvas import SUPERSAMPLING, Colour, Pen, blend, vertical_gradient
from othink_mr1.data.rendering.estimates import count_at_a_glance, count_row_by_row
from othink_mr1.data.rendering.items import Description, RenderedItem, draw_until
from othink_mr1.data.rendering.shapes import SHAPES, SOLIDS, THINGS, VEHICLES

ROWS = 4
COUNTS = range(3, 11)

# The CLEVR sets' question. One wording, as there; and a second one of another length would move the rows'
# digits against the picture's rows (see count_by_rows).
QUESTION = "How many different items are there in the image?"

# CLEVR's eight colours, as its generator has them (properties.json).
CLEVR_COLOURS: tuple[Colour, ...] = (
    (87, 87, 87),
    (173, 35, 35),
    (42, 75, 215),
    (29, 105, 20),
    (129, 74, 25),
    (129, 38, 192),
    (41, 208, 208),
    (255, 238, 51),
)
OTHER_COLOURS: tuple[Colour, ...] = (
    (240, 130, 30),
    (245, 130, 175),
    (20, 40, 95),
    (245, 245, 240),
    (120, 20, 45),
    (0, 110, 115),
    (190, 160, 240),
    (250, 205, 130),
)
# Grounds are light and objects darker: with both polarities a small model takes several times the steps to
# tell an object from the ground (docs/lab-notes.md).
Ground = tuple[Colour, Colour, Colour]  # sky, near, far
OUTDOORS: tuple[Ground, ...] = (
    ((215, 232, 248), (188, 214, 178), (203, 226, 192)),  # grass
    ((226, 237, 246), (198, 199, 201), (212, 213, 214)),  # road
    ((246, 233, 217), (232, 219, 194), (242, 230, 208)),  # sand
)
STUDIO: Ground = ((232, 232, 232), (219, 219, 219), (232, 232, 232))
# The backbone's own grounds: those of both sets and more.
INDOORS: tuple[Ground, ...] = (
    ((242, 237, 230), (214, 194, 176), (226, 206, 185)),  # wooden floor
    ((230, 239, 237), (194, 208, 212), (208, 221, 224)),
    ((248, 246, 250), (237, 232, 242), (246, 243, 248)),
)
STYLES = {
    "clevr": (tuple(SOLIDS), CLEVR_COLOURS, (STUDIO,)),
    "superclevr": (tuple(VEHICLES), OTHER_COLOURS, OUTDOORS),
    "mixed": (
        (*SOLIDS, *VEHICLES, *THINGS),
        CLEVR_COLOURS + OTHER_COLOURS,
        (STUDIO, *OUTDOORS, *INDOORS),
    ),
}


def render_scenes(source: RenderedSource) -> Iterator[RenderedItem]:
    """Yield `source.items` scenes; the source's counts are equally frequent, in random order."""
    lots = random.Random(f"scenes {source.style} {source.split} {source.seed}")
    drawn = source.counts or COUNTS
    counts = [drawn[index % len(drawn)] for index in range(source.items)]
    lots.shuffle(counts)
    seen: set[str] = set()
    for count in counts:
        scene = draw_until(source.split, partial(describe_scene, lots, source.style, count), seen)
        rows = count_by_rows(scene)
        if lots.random() < source.estimates:
            answer = count_at_a_glance(rows, count)
        else:
            answer = count_row_by_row(rows, count)
        yield RenderedItem(draw_scene(scene, source.image_size), QUESTION, answer.answer, answer.reasoning)


def describe_scene(lots: random.Random, style: str, count: int) -> Description:
    """Draw lots for a scene. Lengths are shares of a cell's side, 1/4 of the picture."""
    shapes, colours, grounds = STYLES[style]
    ground = lots.choice(grounds)
    colours = tuple(colour for colour in colours if _stands_out(colour, ground))
    cells = sorted(lots.sample(range(ROWS * ROWS), count))
    objects = []
    for cell in cells:
        half = round(lots.uniform(0.27, 0.45), 3)
        room = 0.5 - half
        objects.append(
            {
                "cell": cell,
                "shape": lots.choice(shapes),
                "colour": lots.choice(colours),
                "half": half,
                "shift": [round(lots.uniform(-room, room), 3), round(lots.uniform(-room, room), 3)],
                "mirrored": lots.random() < 0.5,
            }
        )
    return {
        "ground": ground,
        "light": round(lots.uniform(-0.06, 0.06), 3),
        "horizon": round(lots.uniform(0.04, 0.2), 3),
        "objects": objects,
    }


def draw_scene(scene: Description, image_size: int) -> Image.Image:
    """Draw a described scene as an RGB picture of image_size x image_size pixels."""
    side = image_size * SUPERSAMPLING
    sky, near, far = (_lit(colour, scene["light"]) for colour in scene["ground"])
    picture = vertical_gradient(side, far, near)
    # "RGBA" makes Pillow blend the translucent shadows into the RGB picture.
    draw = ImageDraw.Draw(picture, "RGBA")
    draw.rectangle((0, 0, side, scene["horizon"] * side), fill=sky)
    cell_side = side / ROWS
    for item in scene["objects"]:
        row, column = divmod(item["cell"], ROWS)
        centre = (
            (column + 0.5 + item["shift"][0]) * cell_side,
            (row + 0.5 + item["shift"][1]) * cell_side,
        )
        SHAPES[item["shape"]](
            Pen(draw, centre, item["half"] * cell_side, item["mirrored"]), tuple(item["colour"])
        )
    return picture.reduce(SUPERSAMPLING)


def count_by_rows(scene: Description) -> str:
    """The count of each row, from the top: `2312`.

    The digits stand side by side, one token each, so that from one to the next both the text position
    and the row of the picture grow by one: Qwen2-VL's rotary positions (M-RoPE) then reach a digit's row at
    a constant distance. With spaces between them a small model needs many times the steps
    (docs/lab-notes.md).
    """
    rows = [0] * ROWS
    for item in scene["objects"]:
        rows[item["cell"] // ROWS] += 1
    return "".join(map(str, rows))


def _lit(colour: Colour, light: float) -> Colour:
    return blend(colour, (255, 255, 255) if light > 0 else (0, 0, 0), abs(light))


def _stands_out(colour: Colour, ground: Ground) -> bool:
    """Whether an object of this colour is plain to see on this ground: darker than all of it."""
    return all(_brightness(part) - _brightness(colour) > 45 for part in ground)


def _brightness(colour: Colour) -> float:
    """Luma, 0 to 255."""
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue
