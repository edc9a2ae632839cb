"""Fingerprints: what changes them and what does not."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageEnhance
from raw_sets import picture, rendered_source, saved

from othink_mr1.artefacts.manifests import seal
from othink_mr1.data.examples import Example, write_examples
from othink_mr1.data.fingerprints import (
    SCHEMA,
    fingerprint_set,
    normalised,
    picture_hash,
    pixel_digest,
    read_fingerprints,
)
from othink_mr1.data.images import decoded
from othink_mr1.data.leaks import NEAR_BITS
from othink_mr1.data.rendering.render_source import render_items
from othink_mr1.errors import UserError


def write_set(path, *pictures_and_questions):
    examples = [Example(f"{n:06d}", p, q, "1", None) for n, (p, q) in enumerate(pictures_and_questions)]
    write_examples(examples, path)
    return path


@pytest.mark.parametrize(
    ("question", "same"),
    [
        ("How many  items\nare there?", "how many items are there"),
        ("Ｆｉｎｄ ∠ＡＢＣ，（　）", "find ∠abc"),
        ("the size of angle ACB is ( )", "THE SIZE OF ANGLE ACB IS ()."),
        ("If AB = 3.5, then", "if ab = 3.5 then"),
    ],
)
def test_wording_that_makes_no_other_question(question, same):
    assert normalised(question) == normalised(same)


@pytest.mark.parametrize(
    ("question", "other"),
    [
        ("AB = 1.2", "AB = 1,2"),
        ("AB = .5", "AB = 5"),
        ("AB : CD = 1:2", "AB : CD = 1 2"),
        ("find A'", "find A"),
        ("x - 1", "x + 1"),
        ("(2+3)x", "2+3x"),
        ("angle ABC", "angle ABD"),
        ("10²", "102"),
        ("10²", "10₂"),
        ("x² + 1", "x2 + 1"),
        ("10²3", "10²³"),
        ("a₁₂", "a12"),
        ("2⁻¹", "2-1"),
    ],
)
def test_wording_that_does(question, other):
    assert normalised(question) != normalised(other)


def test_pixels_count_and_not_the_file(tmp_path):
    red, same, blue = picture(colour="red"), picture(colour="red", form="BMP"), picture(colour="blue")
    rows = [(red, "q"), (same, "q"), (blue, "q"), (picture((6, 8), colour="red"), "q")]
    fingerprint_set(write_set(tmp_path / "e.parquet", *rows), tmp_path / "f.parquet")
    first, *others = read_fingerprints(tmp_path / "f.parquet").pixels
    assert [first == other for other in others] == [True, False, False]  # 6 x 8 is another shape than 8 x 6


def test_a_set_is_read_in_its_order_and_threads_change_nothing(tmp_path):
    pictures = [picture((40, 30), colour=(n, 2 * n % 256, 0)) for n in range(150)]
    examples = write_set(tmp_path / "e.parquet", *((p, f"What is {n} ?") for n, p in enumerate(pictures)))
    assert fingerprint_set(examples, tmp_path / "one.parquet") == 150
    fingerprint_set(examples, tmp_path / "two.parquet", threads=2)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    found = read_fingerprints(tmp_path / "one.parquet")
    assert found.ids == [f"{n:06d}" for n in range(150)]
    assert found.questions[149] == "What is 149 ?"
    assert found.picture_hashes.shape == (150, 32)
    assert found.picture_hashes[149].tobytes() == picture_hash(Image.open(io.BytesIO(pictures[149])))
    assert found.pixels[149] == pixel_digest(Image.open(io.BytesIO(pictures[149])))


def scenes(split, items, seed):
    source = rendered_source("scenes", split, style="clevr", items=items, seed=seed)
    return [item.image for item in render_items(source)]


def bits(one, other):
    hashes = (int.from_bytes(picture_hash(image), "big") for image in (one, other))
    first, second = hashes
    return (first ^ second).bit_count()


def test_copies_are_near_and_others_are_not():
    """The hash and the threshold that benchmarks/near_pictures.py measures, on few pictures."""
    for image in scenes("test", 12, 2):
        assert bits(image, decoded(saved(image, "JPEG", quality=60))) <= 8
        assert bits(image, image.resize((56, 56))) <= 8
        assert bits(image, ImageEnhance.Brightness(image).enhance(1.2)) <= 20
        assert min(bits(image, other) for other in scenes("train", 20, 1)) > NEAR_BITS


def test_a_damaged_picture_is_one_line(tmp_path):
    examples = write_set(tmp_path / "e.parquet", (picture(), "q"), (picture((400, 300))[:90], "q"))
    with pytest.raises(UserError, match=r"e\.parquet: the picture of 000001 cannot be read"):
        fingerprint_set(examples, tmp_path / "f.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.parquet"]  # nothing half written


def test_files_that_hold_no_fingerprints_are_refused(tmp_path):
    path = tmp_path / "f.parquet"
    with pytest.raises(UserError, match="there is no such file"):
        read_fingerprints(path)
    path.write_bytes(b"PAR1 no")
    seal(path)
    with pytest.raises(UserError, match=r"f\.parquet: is no readable parquet file"):
        read_fingerprints(path)
    pq.write_table(pa.table({"id": ["a"]}), path)
    seal(path)
    with pytest.raises(UserError, match=r"holds no fingerprints, its columns are \['id'\]"):
        read_fingerprints(path)
    row = {"id": "a", "pixels": b"x" * 32, "picture_hash": b"y" * 32, "question": "q"}
    pq.write_table(pa.Table.from_pylist([row | {"question_sha256": b"z" * 32}], schema=SCHEMA), path)
    damaged = bytearray(path.read_bytes())
    damaged[10:60] = bytes(50)
    path.write_bytes(damaged)
    seal(path)
    with pytest.raises(UserError, match=r"f\.parquet: "):
        read_fingerprints(path)
