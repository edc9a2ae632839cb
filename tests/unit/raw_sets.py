"""Small raw sets for the tests of preparation."""

import io
import json
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from othink_mr1.artefacts.artefact import write_manifest
from othink_mr1.artefacts.manifests import MANIFEST
from othink_mr1.config.sources import RenderedSource


def finished(folder):
    """The raw folder with a manifest, as a download leaves it."""
    if not (folder / MANIFEST).exists():
        write_manifest(folder)
    return folder


def saved(image, form="PNG", **options):
    """The bytes of a picture's file."""
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def picture(size=(8, 6), mode="RGB", form="PNG", colour=None):
    """A picture's bytes; `colour` in the mode's own terms."""
    return saved(Image.new(mode, size, *([colour] if colour is not None else [])), form)


def rendered_source(renderer, split="train", **changes):
    """A source of pictures that are drawn."""
    settings = {"kind": "rendered", "renderer": renderer, "split": split, "reasoning": True}
    return RenderedSource.model_validate(settings | {"items": 24, "seed": 3} | changes)


def training_row(number=0, **changes):
    """One row as the hub's sets have it."""
    row = {
        "image": {"bytes": picture(colour=(number % 256, 0, 0)), "path": "x.png"},
        "thinking": "<think>\nIt is so.\n</think>",
        "problem": f"What is {number} ?",
        "solution": f"<answer> {number} </answer>",
    }
    return row | changes


def write_parquet(folder, rows, name="train-00000-of-00001.parquet"):
    (folder / "data").mkdir(parents=True, exist_ok=True)
    # Row groups as the `datasets` library writes them for images.
    pq.write_table(pa.Table.from_pylist(rows), folder / "data" / name, row_group_size=100)
    return folder


def write_prompts(folder, rows):
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "prompts.jsonl").write_text(lines, encoding="utf-8")
    return folder


def prompt_row(image_path="./images/superCLEVR_new_025000.png", gold=4, question="How many ?"):
    return {"image_path": image_path, "question": question, "ground_truth": gold}


def write_zip(path, members):
    """members: name or ZipInfo -> bytes, or pairs of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, data)
    return path


def write_tar(path, members, mode="w:gz"):
    """members: name or TarInfo -> bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path
