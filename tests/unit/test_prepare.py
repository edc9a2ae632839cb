"""Preparation: one schema, bounded pictures, no row dropped in silence; and the check for shared pictures."""

import io
import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_sets import picture, prompt_row, training_row, write_parquet, write_prompts, write_zip

from othink_mr1.data.disjoint import compare_sets
from othink_mr1.data.examples import Example, read_examples, write_examples
from othink_mr1.data.images import UnusableImage, bounded_image, decoded
from othink_mr1.data.prepare import prepare_dataset
from othink_mr1.data.rendering.render_source import render_source
from othink_mr1.errors import UserError
from othink_mr1.study.artefacts import read_manifest, sha256_of
from othink_mr1.study.sources import RenderedSource

SCRIPTS = Path(__file__).parents[2] / "workflow_scripts"


def prepare(raw, out, form="parquet", max_pixels=401408, expect_rows=None):
    prepare_dataset(form, [raw], out, max_pixels, expect_rows)
    return list(read_examples(out / "examples.parquet"))


def test_training_rows_lose_their_tags(tmp_path):
    rows = [training_row(7), training_row(8, thinking=None), training_row(9, thinking="", solution="145°")]
    examples = prepare(write_parquet(tmp_path / "raw", rows), tmp_path / "out")
    assert examples == [
        Example("000000", picture(colour=(7, 0, 0)), "What is 7 ?", "7", "It is so."),
        Example("000001", picture(colour=(8, 0, 0)), "What is 8 ?", "8", None),
        Example("000002", picture(colour=(9, 0, 0)), "What is 9 ?", "145°", None),
    ]
    assert read_manifest(tmp_path / "out")["rows"] == 3


def test_test_rows(tmp_path):
    raw = write_prompts(tmp_path / "raw", [prompt_row(gold=4), prompt_row(gold="145°")])
    write_zip(raw / "images.zip", {"images/superCLEVR_new_025000.png": picture()})
    examples = prepare(raw, tmp_path / "out", "prompts", expect_rows=2)
    assert [(e.id, e.gold, e.reasoning) for e in examples] == [
        ("000000", "4", None),
        ("000001", "145°", None),
    ]
    with pytest.raises(UserError, match="has 2 rows, expected 754"):
        prepare(raw, tmp_path / "other", "prompts", expect_rows=754)
    assert not (tmp_path / "other/examples.parquet").exists()


@pytest.mark.parametrize("renderer", ["scenes", "geometry"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_rendered_sets_go_the_same_way(tmp_path, renderer, split):
    source = RenderedSource(
        kind="rendered", renderer=renderer, split=split, items=12, seed=1, image_size=56, reasoning=True
    )
    render_source(source, tmp_path / "raw")
    form = "prompts" if split == "test" else "parquet"
    examples = prepare(tmp_path / "raw", tmp_path / "out", form, expect_rows=12)
    assert len({e.id for e in examples}) == 12
    assert all(decoded(e.image).size == (56, 56) for e in examples)
    assert all(bool(e.reasoning) == (split == "train") for e in examples)
    assert not any("<" in e.gold + (e.reasoning or "") for e in examples)


def test_all_unusable_rows_are_counted_by_reason(tmp_path):
    rows = [
        training_row(0),
        training_row(1, image={"bytes": None, "path": "x.png"}),
        training_row(2, image={"bytes": picture()[:40], "path": "x.png"}),
        training_row(3, image={"bytes": b"GIF?", "path": "x.png"}),
        training_row(4, problem=" "),
        training_row(5, solution="<answer></answer>"),
        training_row(6, solution="<answer>1</answer><answer>2</answer>"),
        training_row(7, thinking="<think>half"),
        training_row(8),
    ]
    raw = write_parquet(tmp_path / "raw", rows)
    with pytest.raises(UserError) as caught:
        prepare(raw, tmp_path / "out")
    assert str(caught.value) == (
        f"{raw}: 7 rows cannot be used (1 × no answer, 1 × no image, 1 × no question, "
        "1 × solution with stray tags, 1 × thinking with stray tags, 2 × unreadable image; "
        "first: train-00000-of-00001.parquet row 1)"
    )
    assert not list((tmp_path / "out").iterdir())


def test_the_same_set_gives_the_same_bytes(tmp_path):
    raw = write_parquet(tmp_path / "raw", [training_row(n) for n in range(100)])
    for name in ("one", "two"):
        prepare(raw, tmp_path / name)
    assert sha256_of(tmp_path / "one/examples.parquet") == sha256_of(tmp_path / "two/examples.parquet")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from Linux's /proc")
def test_memory_does_not_grow_with_the_set(tmp_path):
    """8 times the rows, 180 MB, in a process of its own: the peak stays where it is."""
    lots = np.random.default_rng(0)
    images = []
    for _ in range(20):
        stream = io.BytesIO()
        pixels = lots.integers(0, 255, (120, 120, 3), dtype=np.uint8)  # noise: parquet cannot compress it
        Image.fromarray(pixels).save(stream, "PNG", compress_level=0)
        images.append(stream.getvalue())
    code = (
        "import re, sys; from pathlib import Path; from othink_mr1.data.prepare import prepare_dataset;"
        "prepare_dataset('parquet', [Path(sys.argv[1])], Path(sys.argv[2]), 401408, None);"
        # Not getrusage, which counts this test's own process before the exec too.
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1])"
    )
    peaks = []
    for rows in (500, 4000):
        # Bytes differ from row to row, else parquet would keep them in a dictionary.
        data = [training_row(n, image={"bytes": images[n % 20] + b"%d" % n, "path": ""}) for n in range(rows)]
        raw = write_parquet(tmp_path / f"raw{rows}", data)
        done = subprocess.run(
            [sys.executable, "-c", code, raw, tmp_path / f"out{rows}"],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=SCRIPTS,
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] < peaks[0] + 40, f"{peaks} MiB"


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_fitting_pictures_keep_their_bytes(form):
    data = picture((40, 30), form=form)
    assert bounded_image(data, 1200) is data
    assert bounded_image(data, 1199) != data


@pytest.mark.parametrize(
    ("size", "max_pixels"), [((400, 100), 10_000), ((30, 5000), 1000), ((1, 99), 9), ((7, 7), 1)]
)
def test_large_pictures_are_shrunk_with_their_aspect(size, max_pixels):
    width, height = decoded(bounded_image(picture(size), max_pixels)).size
    assert width * height <= max_pixels
    if size == (400, 100):
        assert (width, height) == (200, 50)


def test_a_picture_too_long_for_the_model_is_unusable():
    assert decoded(bounded_image(picture((5, 1000)), 10_000)).size == (5, 1000)
    with pytest.raises(UnusableImage, match="over 200 times"):
        bounded_image(picture((5, 1001)), 10_000)


def test_only_formats_that_are_pixels_are_read(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "page.eps")
    with pytest.raises(UnusableImage):
        bounded_image((tmp_path / "page.eps").read_bytes(), 1000)


def test_shrunk_sides_are_rounded_down():
    assert decoded(bounded_image(picture((100, 90)), 1000)).size == (33, 30)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 200, 200),
        ("1", 1, 255),
        ("P", 0, 0),
        ("LA", (0, 0), 255),  # transparent: white shows
        ("RGBA", (0, 0, 0, 0), 255),
        ("RGBA", (100, 100, 100, 255), 100),
        ("I;16", 200 * 256, 200),
    ],
)
def test_odd_modes_become_rgb(mode, colour, expected):
    data = bounded_image(picture(mode=mode, colour=colour), 1000)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGB"
        assert image.getpixel((0, 0)) == (expected,) * 3


def test_a_transparent_colour_of_an_rgb_picture_becomes_white():
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), (1, 2, 3)).save(stream, "PNG", transparency=(1, 2, 3))
    assert decoded(bounded_image(stream.getvalue(), 1000)).getpixel((0, 0)) == (255, 255, 255)


def test_other_formats_become_png():
    data = bounded_image(picture(form="BMP"), 1000)
    assert data.startswith(b"\x89PNG")


def test_enormous_pictures_are_refused_before_decoding():
    data = bytearray(picture())
    data[16:24] = (20_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(UnusableImage):
        bounded_image(bytes(data), 1000)
    data[16:24] = (8_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(UnusableImage, match="image above 50000000 pixels"):
        bounded_image(bytes(data), 1000)


def write_set(path, *pictures_and_questions):
    examples = [Example(f"{n:06d}", p, q, "1", None) for n, (p, q) in enumerate(pictures_and_questions)]
    write_examples(examples, path)
    return path


def test_shared_pictures_are_found_by_their_pixels(tmp_path):
    red, other_file, blue = picture(colour="red"), picture(colour="red", form="BMP"), picture(colour="blue")
    train = write_set(tmp_path / "train.parquet", (red, "How many ?"), (red, "Which ?"))
    test = write_set(
        tmp_path / "test.parquet", (blue, "How many ?"), (other_file, " how  MANY ?"), (red, "Why ?")
    )
    assert compare_sets(train, test) == {
        "train_rows": 2,
        "train_different_pictures": 1,
        "test_rows": 3,
        "shared_pictures": 2,
        "shared_problems": 1,
        "shared": [{"train": "000000", "test": "000001"}, {"train": "000000", "test": "000002"}],
    }


def test_the_shape_belongs_to_the_picture(tmp_path):
    train = write_set(tmp_path / "train.parquet", (picture((8, 6)), "q"))
    test = write_set(tmp_path / "test.parquet", (picture((6, 8)), "q"))
    assert compare_sets(train, test)["shared_pictures"] == 0


def run(script, *arguments):
    command = [sys.executable, SCRIPTS / script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_entry_points_prepare_and_compare(tmp_path):
    source = {
        "kind": "rendered",
        "renderer": "scenes",
        "items": 8,
        "seed": 1,
        "image_size": 56,
        "reasoning": True,
    }
    for split, form in (("train", "parquet"), ("test", "prompts")):
        settings = json.dumps(source | {"split": split})
        assert (
            run("render_source.py", "--source", settings, "--output", tmp_path / f"raw/{split}").returncode
            == 0
        )
        options = ["--form", form, "--max-pixels", "401408", "--expect-rows", "8"]
        raw = tmp_path / f"raw/{split}/manifest.json"
        done = run("prepare_dataset.py", *options, "--raw", raw, "--output", tmp_path / split)
        assert done.returncode == 0, done.stderr
        assert "8/8" in done.stderr  # progress
    train, test = (tmp_path / split / "examples.parquet" for split in ("train", "test"))
    assert (
        run("check_disjoint.py", "--train", train, "--test", test, "--report", tmp_path / "r.json").returncode
        == 0
    )
    assert json.loads((tmp_path / "r.json").read_text())["shared_pictures"] == 0
    shared = run("check_disjoint.py", "--train", train, "--test", train, "--report", tmp_path / "r.json")
    assert shared.returncode == 1
    assert shared.stderr.count("\n") == 1
    assert "8 of 8 pictures also stand in" in shared.stderr


def test_entry_points_report_mistakes_in_one_line(tmp_path):
    wrong = run("render_source.py", "--source", '{"kind": "rendered"}', "--output", tmp_path / "raw")
    assert wrong.returncode == 1
    assert wrong.stderr == "error: --source: rendered.renderer: Field required\n"
    absent = run(
        "check_disjoint.py", "--train", tmp_path / "a", "--test", tmp_path / "b", "--report", tmp_path / "c"
    )
    assert absent.returncode == 1
    assert absent.stderr.endswith("there is no such file; prepare the set first\n")
