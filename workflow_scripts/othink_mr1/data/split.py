"""Splits a training set: validation items, on which settings are chosen, and the rest to train on."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from pathlib import Path
from typing import Literal

from othink_mr1.artefacts.artefact import filling
from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.data.examples import EXAMPLES_FILE, read_examples, write_examples
from othink_mr1.errors import UserError

Part = Literal["rest", "validation"]


def split_dataset(whole: Path, part: Part, share: float, seed: int, out: Path) -> int:
    """Write a part of the prepared set `whole` as `out`/examples.parquet, with a manifest. Returns its rows.

    Items of one picture are in one part. The pictures are ordered by the sha256 of seed and picture, and the
    first of them, until they have `share` (0 to 1) of the items, are for validation; so neither the order of
    the set nor an added item moves the others. A complete folder is left unchanged.
    UserError if the set is damaged, or if a part would be empty.
    """
    started = time.perf_counter()
    identity = {"part": part, "share": share, "seed": seed}
    with filling(out, identity) as artefact:
        if artefact.complete:
            return int(read_manifest(out)["rows"])
        items = Counter(_picture(example.image) for example in read_examples(whole / EXAMPLES_FILE))
        chosen = _for_validation(items, share, seed)
        if not 0 < len(chosen) < len(items):
            raise UserError(
                f"{whole}: has {items.total()} items with {len(items)} pictures: a share of {share:g} leaves "
                "a part without items; change the task's validation.share in the config"
            )
        kept = chosen if part == "validation" else items.keys() - chosen
        examples = read_examples(whole / EXAMPLES_FILE)
        rows = write_examples(
            (example for example in examples if _picture(example.image) in kept), out / EXAMPLES_FILE
        )
        facts = read_manifest(whole)
        other = "rest" if part == "validation" else "validation"
        artefact.finish(
            **{key: facts[key] for key in ("content",) if key in facts},
            made_of={"examples": facts["files"][EXAMPLES_FILE]["sha256"]},
            raw_rows=facts["raw_rows"],
            rows=rows,
            unusable=facts["unusable"] | {f"in the other part ({other})": items.total() - rows},
            wall_seconds=round(time.perf_counter() - started, 3),
        )
    return rows


def _for_validation(items: Counter[str], share: float, seed: int) -> set[str]:
    """The pictures whose items are for validation. items: picture -> its number of items."""
    wanted = share * items.total()
    chosen: set[str] = set()
    count = 0
    for picture in sorted(items, key=lambda picture: hashlib.sha256(f"{seed} {picture}".encode()).digest()):
        if count >= wanted:
            break
        chosen.add(picture)
        count += items[picture]
    return chosen


def _picture(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()
