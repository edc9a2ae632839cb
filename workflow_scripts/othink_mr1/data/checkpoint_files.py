"""Whether a folder has all files of a Qwen2-VL checkpoint, and whether they are what their names say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from othink_mr1.errors import UserError

MODEL_TYPE = "qwen2_vl"
_INDEX = "model.safetensors.index.json"
# Of each line one file is enough: transformers has changed their names.
_NEEDED = {
    "tokenizer": ("tokenizer.json",),
    "image processor": ("preprocessor_config.json", "processor_config.json"),
    "chat template": ("chat_template.jinja", "chat_template.json"),
}


def require_checkpoint(folder: Path) -> None:
    """UserError, in one line, if a file is missing or cannot be read, or if it is another kind of model.

    Of the weights only the headers are read.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; correct the path")
    config = _json(folder / "config.json")
    if (kind := config.get("model_type")) != MODEL_TYPE:
        raise UserError(f"{folder}: its config.json is of a {kind}; only {MODEL_TYPE} can be used here")
    if config.get("quantization_config"):
        raise UserError(f"{folder}: is quantised; use the checkpoint that it was made from")
    for file in _weights(folder):
        try:
            with safe_open(file, framework="np"):
                pass
        except (OSError, SafetensorError) as error:
            raise UserError(f"{file}: is damaged ({error}); copy or download it again") from None
    for what, files in _NEEDED.items():
        there = any((folder / name).is_file() for name in files)
        if not there and not _is_in_older_files(what, folder):
            raise UserError(
                f"{folder}: has no {what} ({' or '.join(files)}); copy tokenizer and processor from the "
                "model that it was trained from"
            )
    if (folder / "tokenizer.json").is_file() and "model" not in _json(folder / "tokenizer.json"):
        raise UserError(f"{folder / 'tokenizer.json'}: is no tokenizer; copy or download it again")


def _is_in_older_files(what: str, folder: Path) -> bool:
    """Whether it is where transformers before version 5 may have written it."""
    if not (folder / "tokenizer_config.json").is_file():
        return False
    tokenizer = _json(folder / "tokenizer_config.json")
    if what == "tokenizer":
        # Without the last, the special tokens would be split into letters.
        files = all((folder / name).is_file() for name in ("vocab.json", "merges.txt"))
        return files and "added_tokens_decoder" in tokenizer
    return what == "chat template" and "chat_template" in tokenizer


def _weights(folder: Path) -> list[Path]:
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    if not (folder / _INDEX).is_file():
        raise UserError(
            f"{folder}: has no weights (model.safetensors, or shards with {_INDEX}); no pickle is read"
        )
    shards = _json(folder / _INDEX).get("weight_map")
    names = sorted(set(shards.values())) if isinstance(shards, dict) else []
    if not names or not all(isinstance(name, str) and name == Path(name).name for name in names):
        raise UserError(f"{folder / _INDEX}: lists no weights; copy or download it again")
    for name in names:
        if not (folder / name).is_file():
            raise UserError(f"{folder}: lacks {name}, a part of the weights; copy or download it again")
    return [folder / name for name in names]


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file.parent}: no checkpoint here (no {file.name})") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file}: cannot be read as JSON ({error})") from None
    if not isinstance(content, dict):
        raise UserError(f"{file}: must be a JSON object")
    return content
