"""Reading answers.jsonl, with a check of every line."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from dataclasses import dataclass, fields
from pathlib import Path

from othink_mr1.artefacts.verification import is_artefact, verify_file
from othink_mr1.errors import UserError


@dataclass(frozen=True)
class Answer:
    """One line of answers.jsonl: a test item and the model's completion."""

    id: str
    task: str
    question: str
    gold: str
    completion: str
    truncated: bool | None = None  # cut at the maximum number of tokens; None: the file does not say


_KEYS = tuple(field.name for field in fields(Answer) if field.name != "truncated")


def read_answers(path: Path) -> list[Answer]:
    """All answers of a file. UserError as in read_content and parse_answers."""
    return parse_answers(read_content(path), path)


def read_content(path: Path) -> bytes:
    """A file of answers. UserError if it does not match its manifest; answers made elsewhere have none."""
    if is_artefact(path.parent):
        verify_file(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def parse_answers(content: bytes, path: Path) -> list[Answer]:
    """The answers in a file's content. UserError names the first line that is no answer, or repeats one."""
    # Split only at "\n": JSON allows other line separators (U+2028, form feed) inside strings.
    lines = content.removeprefix(BOM_UTF8).split(b"\n")
    while lines and not lines[-1].strip():  # empty last lines, as editors leave them
        lines.pop()
    if not lines:
        raise UserError(f"{path}: has no answers")
    answers: list[Answer] = []
    seen: dict[tuple[str, str], int] = {}
    for number, line in enumerate(lines, start=1):
        answer = _read_line(line, f"{path}, line {number}")
        first = seen.setdefault((answer.task, answer.id), number)
        if first != number:
            raise UserError(
                f"{path}, line {number}: task {answer.task!r}, id {answer.id!r} is in line {first} already"
            )
        answers.append(answer)
    return answers


def _read_line(line: bytes, where: str) -> Answer:
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise UserError(f"{where}: is not UTF-8 text; unpack or convert the file first") from None
    except (ValueError, RecursionError):
        raise UserError(f"{where}: is not JSON; expected an object with {', '.join(_KEYS)}") from None
    if not isinstance(value, dict):
        raise UserError(f"{where}: is not an object with {', '.join(_KEYS)}")
    for key in _KEYS:
        if key not in value:
            raise UserError(f"{where}: has no {key!r}; expected {', '.join(_KEYS)}")
        if not isinstance(value[key], str):
            raise UserError(f"{where}: {key!r} must be a string, got {type(value[key]).__name__}")
    for key in ("id", "task"):  # they are written to the scores: no line ends, no half surrogate pair
        if not value[key] or any(one < " " or "\ud800" <= one <= "\udfff" for one in value[key]):
            raise UserError(f"{where}: {key!r} is not a valid name, got {value[key]!r}")
    truncated = value.get("truncated")
    if truncated is not None and not isinstance(truncated, bool):
        raise UserError(f"{where}: 'truncated' must be true or false, got {type(truncated).__name__}")
    return Answer(**{key: value[key] for key in _KEYS}, truncated=truncated)
