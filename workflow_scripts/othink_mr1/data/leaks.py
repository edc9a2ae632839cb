"""Leaks: test items that also appear in a training set, the same or nearly the same."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from othink_mr1.artefacts.manifests import written_sealed
from othink_mr1.artefacts.verification import verify_sealed
from othink_mr1.csv_cells import guarded, unguarded
from othink_mr1.data.fingerprints import Fingerprints
from othink_mr1.errors import UserError

# Bits (of 256) in which near pictures may differ. Measured with benchmarks/near_pictures.py on rendered
# scenes and geometry: copies saved as JPEG, scaled or brightened differ in at most 24. Of copies with a
# border of a pixel, or 2 % cut off one side, more than nine of ten differ in at most 32. Independent pictures
# with the same question differ in at least 44 among 2,000 x 600 pairs, in at least 40 among 20,000 x 600.
NEAR_BITS = 32


@dataclass(frozen=True)
class Leak:
    """A test item and the training item that is closest to it; train and test are the sets' names.

    same_picture: the first training item with equal pixels, whatever its question; empty if there is none.
    It may differ from the closest item: a near picture with the same question is closer.

    picture: `same` (equal pixels) or `near` (few bits of the perceptual hash differ: `distance`).
    question: `same` (when normalised) or `other`. The questions are as written, on one line.
    """

    train: str
    test: str
    test_id: str
    train_id: str
    picture: Literal["same", "near"]
    distance: int
    question: Literal["same", "other"]
    train_question: str
    test_question: str
    same_picture: str


COLUMNS = tuple(field.name for field in fields(Leak))


@dataclass(frozen=True)
class LeakCounts:
    """Test items by how they appear in a training set.

    same: same picture and question; near: near picture, same question; picture: same picture, but only with
    other questions. So `same + picture` items share their picture. An item may count as near and as picture.
    """

    same: int
    near: int
    picture: int


def find_leaks(train: Fingerprints, test: Fingerprints, train_name: str, test_name: str) -> list[Leak]:
    """At most one leak per test item, in the order of the test set.

    The closest training item is one with the same picture and question, else the nearest picture with the
    same question, else one with the same picture; of several, the first in the training set.
    """
    closest = _Closest(train)
    found = []
    for place, test_id in enumerate(test.ids):
        pixels, question = test.pixels[place], test.question_sha256[place]
        match = closest.to(pixels, test.picture_hashes[place], question)
        if match is None:
            continue
        item, distance = match
        found.append(
            Leak(
                train=train_name,
                test=test_name,
                test_id=test_id,
                train_id=train.ids[item],
                picture="same" if train.pixels[item] == pixels else "near",
                distance=distance,
                question="same" if train.question_sha256[item] == question else "other",
                train_question=" ".join(train.questions[item].split()),
                test_question=" ".join(test.questions[place].split()),
                same_picture=closest.with_picture(pixels),
            )
        )
    return found


def count_leaks(leaks: Iterable[Leak]) -> LeakCounts:
    """The number of leaks of each kind."""
    leaks = list(leaks)
    same = sum((leak.picture, leak.question) == ("same", "same") for leak in leaks)
    return LeakCounts(
        same=same,
        near=sum(leak.picture == "near" for leak in leaks),
        picture=sum(leak.same_picture != "" for leak in leaks) - same,
    )


def refuse_shared_pictures(
    train: Fingerprints, test: Fingerprints, train_file: Path, test_file: Path
) -> None:
    """UserError if the sets, which were drawn to be disjoint, share a picture, whatever its question."""
    first = _first_with(train.pixels)
    shared = [place for place, pixels in enumerate(test.pixels) if pixels in first]
    if shared:
        example = shared[0]
        raise UserError(
            f"{test_file}: {len(shared)} pictures also stand in {train_file}, e.g. its "
            f"{train.ids[first[test.pixels[example]]]} as {test.ids[example]}; give one set another seed or "
            "source"
        )


def write_leaks(path: Path, leaks: Iterable[Leak]) -> None:
    """Write a pair's csv, atomically, with its manifest: the header, and one row per leak."""
    with written_sealed(path) as aside, open(aside, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for leak in leaks:
            writer.writerow({column: guarded(value) for column, value in asdict(leak).items()})


def read_leaks(path: Path) -> list[Leak]:
    """The leaks of a pair's csv. UserError if it is not such a csv, or damaged."""
    verify_sealed(path, "let snakemake look for leaks")
    again = "delete it and run snakemake again"
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            lines = csv.DictReader(stream, strict=True)
            if tuple(lines.fieldnames or ()) != COLUMNS:
                raise UserError(f"{path}: is no report of leaks, its columns are {lines.fieldnames}; {again}")
            return [_leak(line) for line in lines]
    except (csv.Error, ValueError, KeyError) as error:
        raise UserError(f"{path}: is no report of leaks ({error}); {again}") from None


def _leak(line: dict[str, Any]) -> Leak:
    if None in line or None in line.values():
        raise ValueError(f"a row of {len(line)} columns")
    if line["picture"] not in ("same", "near") or line["question"] not in ("same", "other"):
        raise ValueError(f"a picture {line['picture']!r} and a question {line['question']!r}")
    if line["picture"] == "same" and not line["same_picture"]:
        raise ValueError("a same picture of no item")
    texts: dict[str, Any] = {column: unguarded(cell) for column, cell in line.items()}
    return Leak(**(texts | {"distance": int(line["distance"])}))


class _Closest:
    """A training set, indexed to look up the item that is closest to a test item."""

    def __init__(self, train: Fingerprints) -> None:
        self.hashes = train.picture_hashes.view(np.uint64)  # examples x 4: fewer, larger steps
        self.ids = train.ids
        self.by_pixels = _first_with(train.pixels)
        self.by_both: dict[tuple[bytes, bytes], int] = {}
        by_question: dict[bytes, list[int]] = defaultdict(list)
        for item, (pixels, question) in enumerate(zip(train.pixels, train.question_sha256, strict=True)):
            self.by_both.setdefault((pixels, question), item)
            by_question[question].append(item)
        self.by_question = {question: np.array(items) for question, items in by_question.items()}
        # Done once, as in a counting set one question has all pictures.
        self.hashes_by_question = {
            question: self.hashes[items] for question, items in self.by_question.items()
        }

    def with_picture(self, pixels: bytes) -> str:
        """The id of the first training item with these pixels; empty if there is none."""
        return self.ids[self.by_pixels[pixels]] if pixels in self.by_pixels else ""

    def to(
        self, pixels: bytes, picture_hash: np.ndarray[Any, np.dtype[np.uint8]], question: bytes
    ) -> tuple[int, int] | None:
        """The closest training item and its distance in bits; None if none is close."""
        if (pixels, question) in self.by_both:
            return self.by_both[pixels, question], 0
        if question in self.by_question:
            others = self.hashes_by_question[question]
            distances = np.bitwise_count(others ^ picture_hash.view(np.uint64)).sum(axis=1)
            nearest = int(distances.argmin())  # the first of several
            if distances[nearest] <= NEAR_BITS:
                return int(self.by_question[question][nearest]), int(distances[nearest])
        if pixels in self.by_pixels:
            return self.by_pixels[pixels], 0
        return None


def _first_with(pixels: list[bytes]) -> dict[bytes, int]:
    """The index of each picture's first item."""
    return {each: place for place, each in reversed([*enumerate(pixels)])}
