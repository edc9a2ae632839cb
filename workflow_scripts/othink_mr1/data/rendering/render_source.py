"""Writes rendered sets in the raw form of the real ones, so that preparation runs the same code for both.

All sets but the tests: a folder with data/train-00000-of-00001.parquet as the hub's data sets have it
(an Image column of the `datasets` library). Test sets: R1-V's jsonl of prompts and a zip of images.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Features, Value
from datasets import Image as ImageFeature
from PIL import Image

from othink_mr1.artefacts.artefact import filling
from othink_mr1.artefacts.atomic_files import written_aside
from othink_mr1.config.sources import RenderedSource
from othink_mr1.data.parquet_files import write_rows
from othink_mr1.data.progress import Progress
from othink_mr1.data.rendering.geometry import render_geometry
from othink_mr1.data.rendering.items import RenderedItem
from othink_mr1.data.rendering.scenes import render_scenes

TRAIN_FILE = "data/train-00000-of-00001.parquet"
PROMPTS_FILE = "prompts.jsonl"
IMAGES_FILE = "images.zip"

# Rows per parquet row group, as many as the `datasets` library writes for image columns.
ROW_GROUP = 100
# A zip stores times; this one is written for every member, so that the same settings give the same bytes.
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
SUPERCLEVR_FIRST_NUMBER = 25_000


def render_items(source: RenderedSource) -> Iterator[RenderedItem]:
    """Yield the source's items in order; the same settings give the same items."""
    return render_scenes(source) if source.renderer == "scenes" else render_geometry(source)


def render_source(source: RenderedSource, folder: Path) -> None:
    """Render a source into `folder` and finish it with a manifest; a complete folder is left as it is.

    UserError if an unknown kind is asked.
    """
    started = time.perf_counter()
    with filling(folder, {"source": source.model_dump(mode="json")}) as artefact:
        if artefact.complete:
            return
        progress = Progress(f"render {source.renderer} {source.split}", source.items)
        items = progress.over(render_items(source))
        if source.split == "test":
            _write_prompts(source, items, folder)
        else:
            _write_parquet(source, items, folder / TRAIN_FILE)
        artefact.finish(wall_seconds=round(time.perf_counter() - started, 3))


def parquet_schema(reasoning: bool) -> pa.Schema:
    """The training sets' columns, as the `datasets` library writes and reads them."""
    texts = ["thinking", "problem", "solution"] if reasoning else ["problem", "solution"]
    return Features({"image": ImageFeature()} | {name: Value("string") for name in texts}).arrow_schema


def _write_parquet(source: RenderedSource, items: Iterator[RenderedItem], path: Path) -> None:
    schema = parquet_schema(source.reasoning)
    with written_aside(path) as aside:
        write_rows(aside, map(_row, count(), items), schema, ROW_GROUP, compression="snappy")


def _row(number: int, item: RenderedItem) -> dict[str, Any]:
    return {
        "image": {"bytes": png_bytes(item.image), "path": f"{number}.png"},
        "thinking": f"<think>{item.reasoning}</think>",  # not written where the schema has none
        "problem": item.question,
        "solution": f"<answer> {item.gold} </answer>",
    }


def _write_prompts(source: RenderedSource, items: Iterator[RenderedItem], folder: Path) -> None:
    """R1-V's two prompt files differ: counting has integers and flat names, geometry strings and a folder."""
    with (
        written_aside(folder / IMAGES_FILE) as zip_aside,
        written_aside(folder / PROMPTS_FILE) as prompts_aside,
        # The PNGs are compressed already.
        zipfile.ZipFile(zip_aside, "w", zipfile.ZIP_STORED) as images,
        open(prompts_aside, "w", encoding="utf-8") as prompts,
    ):
        for number, item in enumerate(items):
            gold: int | str
            if source.renderer == "scenes":
                member = f"images/superCLEVR_new_{SUPERCLEVR_FIRST_NUMBER + number:06d}.png"
                image_path, gold = f"./{member}", int(item.gold)
            else:
                member = f"images/test/{number}.png"
                image_path, gold = f"./Geo170K/{member}", item.gold
            images.writestr(zipfile.ZipInfo(member, ZIP_TIME), png_bytes(item.image))
            row = {"image_path": image_path, "question": item.question, "ground_truth": gold}
            prompts.write(json.dumps(row, ensure_ascii=False) + "\n")


def png_bytes(image: Image.Image) -> bytes:
    """The picture as PNG; compressed lightly, since writing is what takes the time."""
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=3)
    return stream.getvalue()
