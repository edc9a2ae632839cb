"""Ten data sets as people have them: of different forms, made up. Each holds ROWS questions about colours."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, DatasetDict, Features, Value
from datasets import Image as ImageFeature
from raw_sets import picture

ROWS = 20
BAD = 7  # the row that is unusable in two of the sets: 5 % of them


def pictures(folder: Path) -> list[str]:
    """ROWS picture files; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(ROWS):
        (folder / f"{number}.png").write_bytes(_picture(number))
    return [f"{number}.png" for number in range(ROWS)]


def parquet_file(root: Path) -> dict[str, Any]:
    _parquet(root / "mine.parquet", "picture", "q", "a")
    return {"path": root / "mine.parquet", "columns": {"image": "picture", "question": "q", "answer": "a"}}


def parquet_splits(root: Path) -> dict[str, Any]:
    _parquet(root / "data/test-00000-of-00001.parquet", "image", "problem", "solution", 3)
    _parquet(root / "data/train-00000-of-00001.parquet", "image", "problem", "solution")
    return {"path": root, "split": "train"}


def parquet_configs(root: Path) -> dict[str, Any]:
    _parquet(root / "small/train.parquet", "image", "problem", "solution", 3)
    _parquet(root / "whole/train.parquet", "image", "problem", "solution")
    return {"path": root, "config": "whole"}


def jsonl(root: Path) -> dict[str, Any]:
    """Numbers as numbers, and one row without its picture."""
    names = pictures(root / "pictures")
    rows = [
        {
            "file": f"pictures/{name}" if number != BAD else "gone.png",
            "query": _question(number),
            "label": number,
        }
        for number, name in enumerate(names)
    ]
    (root / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = {"image": "file", "question": "query", "answer": "label"}
    return {"path": root / "mine.jsonl", "columns": columns}


def json_list(root: Path) -> dict[str, Any]:
    """One picture in a list, absolute paths, reasoning."""
    rows = [
        {"images": [str(root / name)], "q": _question(number), "a": str(number), "why": "It is so."}
        for number, name in enumerate(pictures(root))
    ]
    (root / "mine.json").write_text(json.dumps(rows))
    columns = {"image": "images", "question": "q", "answer": "a", "reasoning": "why"}
    return {"path": root / "mine.json", "columns": columns}


def chinese_csv(root: Path) -> dict[str, Any]:
    """With a byte order mark, as spreadsheets write it; one row without an answer."""
    with (root / "表.csv").open("w", encoding="utf-8-sig", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["图片", "问题", "答案"])
        for number, name in enumerate(pictures(root / "图")):
            table.writerow(
                [
                    f"图/{name}",
                    f"图中的“边长”, 是多少？\n第{number}题",
                    f"{number}米" if number != BAD else "",
                ]
            )
    return {"path": root / "表.csv", "columns": {"image": "图片", "question": "问题", "answer": "答案"}}


def saved(root: Path) -> dict[str, Any]:
    _dataset().save_to_disk(str(root / "saved"))
    return {"path": root / "saved"}


def saved_splits(root: Path) -> dict[str, Any]:
    DatasetDict({"val": _dataset(), "rest": _dataset().select(range(3))}).save_to_disk(str(root / "saved"))
    return {"path": root / "saved", "split": "val"}


def imagefolder_csv(root: Path) -> dict[str, Any]:
    with (root / "metadata.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["file_name", "problem", "solution"])
        for number, name in enumerate(pictures(root)):
            table.writerow([name, _question(number), number])
    return {"path": root}


def imagefolder_jsonl(root: Path) -> dict[str, Any]:
    for split, count in (("train", ROWS), ("test", 3)):
        names = pictures(root / split)[:count]
        rows = [
            {"file_name": name, "problem": _question(number), "solution": f"<answer> {number} </answer>"}
            for number, name in enumerate(names)
        ]
        (root / split / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"path": root}


SETS: dict[str, Callable[[Path], dict[str, Any]]] = {
    make.__name__: make
    for make in (
        *(parquet_file, parquet_splits, parquet_configs, jsonl, json_list, chinese_csv),
        *(saved, saved_splits, imagefolder_csv, imagefolder_jsonl),
    )
}


def own_source(name: str, root: Path) -> dict[str, Any]:
    """Make the set; returns its entry of `sources`."""
    root.mkdir(parents=True, exist_ok=True)
    made = SETS[name](root)
    return {"kind": "local", **made, "path": str(made["path"])}


def _question(number: int) -> str:
    return f"How many, in picture {number}?"


def _picture(number: int) -> bytes:
    return picture(colour=(number, 90, 200))


def _parquet(path: Path, image: str, question: str, answer: str, rows: int = ROWS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = [
        {image: {"bytes": _picture(n), "path": None}, question: _question(n), answer: n} for n in range(rows)
    ]
    pq.write_table(pa.Table.from_pylist(table), path)


def _dataset() -> Dataset:
    features = Features({"image": ImageFeature(), "problem": Value("string"), "solution": Value("int64")})
    rows = {
        "image": [{"bytes": _picture(number), "path": None} for number in range(ROWS)],
        "problem": [_question(number) for number in range(ROWS)],
        "solution": list(range(ROWS)),
    }
    return Dataset.from_dict(rows, features=features)
