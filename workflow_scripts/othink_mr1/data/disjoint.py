"""Checks that a training and a test set share nothing: by decoded pixels, alone and with the question."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from othink_mr1.data.examples import Example, read_examples
from othink_mr1.data.images import decoded

# Pairs that the report names.
NAMED = 10


def compare_sets(train: Path, test: Path) -> dict[str, Any]:
    """Compare two prepared sets; pictures are equal if their decoded pixels are, whatever their files' bytes.

    Returns counts of rows and of test rows that also stand in the training set (`shared_pictures`,
    `shared_problems`: picture and normalised question), and the ids of some. Memory: two digests per row.
    """
    pictures: dict[bytes, str] = {}
    problems: dict[bytes, str] = {}
    train_rows = 0
    for example, picture, problem in _digests(train):
        train_rows += 1
        pictures.setdefault(picture, example.id)
        problems.setdefault(problem, example.id)
    test_rows = shared_pictures = shared_problems = 0
    named: list[dict[str, str]] = []
    for example, picture, problem in _digests(test):
        test_rows += 1
        shared_problems += problem in problems
        if picture in pictures:
            shared_pictures += 1
            if len(named) < NAMED:
                named.append({"train": problems.get(problem, pictures[picture]), "test": example.id})
    return {
        "train_rows": train_rows,
        "train_different_pictures": len(pictures),
        "test_rows": test_rows,
        "shared_pictures": shared_pictures,
        "shared_problems": shared_problems,
        "shared": named,
    }


def _digests(path: Path) -> Iterator[tuple[Example, bytes, bytes]]:
    for example in read_examples(path):
        image = decoded(example.image)
        picture = hashlib.sha256(f"{image.width} {image.height} ".encode() + image.tobytes()).digest()
        # Case and spacing do not make another question.
        question = " ".join(example.question.casefold().split())
        yield example, picture, hashlib.sha256(picture + question.encode()).digest()
