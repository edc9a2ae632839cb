"""Geometry: the figures are to scale, the golds follow from the givens, the texts do not tell the kind."""

import cmath
import math
import re
from collections import Counter
from functools import partial

import numpy as np
import pytest
from raw_sets import rendered_source

from othink_mr1.data.rendering import geometry
from othink_mr1.data.rendering.geometry_kinds import KINDS
from othink_mr1.data.rendering.render_source import png_bytes
from othink_mr1.errors import UserError

ANGLE_KINDS = [name for name, kind in KINDS.items() if "angle" in kind.form]


source = partial(rendered_source, "geometry")


@pytest.mark.parametrize(
    ("kind", "givens", "gold"),
    [
        ("straight_line", (35,), "145°"),
        ("right_angle", (35,), "55°"),
        ("inscribed_angle", (35,), "70°"),
        ("isosceles_triangle", (35,), "110°"),
        ("vertical_angles", (35,), "35°"),
        ("parallel_lines", (35,), "145°"),
        ("triangle", (35, 60), "85°"),
        ("exterior_angle", (35, 60), "95°"),
        ("midline", (10,), "5cm"),
        ("equilateral_height", (16,), "8√{3}"),
        ("semicircle_arc", (130,), "65π"),
        ("altitude", (3, 4), r"\frac{12}{5}"),
        ("altitude", (15, 20), "12"),
    ],
)
def test_gold_follows_from_the_givens(kind, givens, gold):
    assert KINDS[kind].solve(givens).gold == gold


@pytest.mark.parametrize("kind", KINDS)
def test_reasoning_names_the_givens_and_reaches_the_gold(kind):
    for item in geometry.render_geometry(source(kinds=[kind], items=6)):
        for given in re.findall(r"(\d+)\.0", item.question):
            assert given in item.reasoning
        assert re.search(r"[\d}]+", item.gold)[0] in item.reasoning


@pytest.mark.parametrize("kind", ANGLE_KINDS)
def test_figures_are_to_scale(kind):
    """The marked angles, measured in the figure, are the givens and the gold."""
    for a in (20, 45, 70):
        for lot in (0.0, 0.5, 0.99):
            givens = (a,) if KINDS[kind].form == "angle" else (a, 50)
            figure = KINDS[kind].draw(givens, ("1", "2", "3"), lot)
            measured = {angle.label: degrees(angle) for angle in figure.angles}
            expected = [*givens, int(KINDS[kind].solve(givens).gold.removesuffix("°"))]
            assert measured == {str(n): pytest.approx(value) for n, value in enumerate(expected, start=1)}


def test_altitude_is_to_scale():
    figure = KINDS["altitude"].draw((3, 4), ("a", "b", "c"), 0.5)
    lengths = [abs(end - start) for start, end in figure.segments]
    assert lengths[3] / lengths[0] == pytest.approx((12 / 5) / 3)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_cut_off(kind):
    for item in geometry.render_geometry(source(kinds=[kind], items=20)):
        pixels = np.asarray(item.image).astype(int)
        assert pixels.min() < 120  # there is ink
        edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])  # [4 * side, 3]
        assert edge.min() == edge.max()  # but none at the edge


def test_the_text_does_not_tell_the_kind():
    """With the same givens all kinds are asked in the same words: the picture decides."""
    kinds = ["straight_line", "right_angle", "inscribed_angle", "isosceles_triangle"]
    texts = {}
    for kind in kinds:
        items = geometry.render_geometry(source(kinds=[kind], items=600))
        texts[kind] = {re.sub(r"∠\w", "∠", item.question) for item in items}
    assert len(texts[kinds[0]]) > 30
    assert all(texts[kind] == texts[kinds[0]] for kind in kinds)


def test_kinds_are_equally_frequent_and_rare_ones_below_a_tenth():
    dealt = Counter(geometry.deal_kinds(list(KINDS), 1000))
    rare = [kind for kind in KINDS if KINDS[kind].rare_share is not None]
    assert sum(dealt.values()) == 1000
    assert set(dealt) == set(KINDS)
    assert sum(dealt[kind] for kind in rare) < 100
    common = [dealt[kind] for kind in KINDS if kind not in rare]
    assert max(common) - min(common) <= 1


def test_empty_kinds_means_all_and_an_unknown_one_is_refused():
    assert "5cm" not in {item.gold for item in geometry.render_geometry(source(kinds=["triangle"], items=40))}
    assert any(item.gold.endswith("π") for item in geometry.render_geometry(source(items=100)))
    with pytest.raises(UserError, match="'straight_lime' is unknown; known are straight_line, "):
        next(geometry.render_geometry(source(kinds=["straight_lime"])))


@pytest.mark.parametrize("step", [1, 5, 15])
def test_givens_are_multiples_of_the_step(step):
    items = geometry.render_geometry(source(kinds=["triangle"], items=60, angle_step=step))
    values = [int(value) for item in items for value in re.findall(r"(\d+)\.0", item.question)]
    assert {value % step for value in values} == {0}
    assert min(values) >= 20
    assert max(values) <= 70
    assert len(set(values)) > 2


def test_same_settings_same_pictures_and_splits_differ():
    first, again, test = (
        [png_bytes(item.image) for item in geometry.render_geometry(source(split=split))]
        for split in ("train", "train", "test")
    )
    assert first == again
    assert len(set(first)) == len(first)
    assert not set(first) & set(test)


def degrees(angle):
    turn = cmath.phase((angle.second - angle.vertex) / (angle.first - angle.vertex))
    return abs(math.degrees(turn))
