"""Read and merge config files, with the line of every key.

The files are YAML 1.2. Snakemake also reads them, as YAML 1.1, so a value that the two versions read
differently is refused. `1e-6` (here a number, there a string) is allowed, as nothing uses Snakemake's value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from othink_mr1.config.changes import change_as_overlay, yaml_value
from othink_mr1.errors import UserError, first_line

KeyPath = tuple[str, ...]

# In YAML 1.1 `010` is 8, `48:00` is 2880 and `no` is false. In YAML 1.2 they are 10 and two strings.
_READ_DIFFERENTLY = re.compile(
    r"[+-]?0[0-9_bo]+|[+-]?[0-9][0-9_]*(:[0-9]+)+(\.[0-9_]*)?|yes|no|on|off", re.IGNORECASE
)
_HALF = re.compile("[\ud800-\udfff]")  # of a character that JSON escapes as two
COMMAND_LINE = "--config"  # the "file" of values given on Snakemake's command line


@dataclass
class Document:
    """The merged content of config files, and the place (`file:line`) where each key was last written."""

    content: dict[str, Any]
    places: dict[KeyPath, str]

    def place_of(self, path: KeyPath) -> str | None:
        """Where the key, or its nearest parent key, was written."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return None


def read_documents(files: list[Path], overrides: Mapping[str, Any] | None = None) -> Document:
    """Read config files and merge them in order: dicts are merged, everything else is replaced.

    overrides: what Snakemake's --config holds; it comes last. Its `set` holds changes as `make run SET=` has
    them: see change_as_overlay.

    Raises UserError: missing file, broken YAML, duplicate key, no mapping at the top, or a later file
    that changes the `kind` of an entry (it would inherit the other kind's keys).
    """
    merged = Document({}, {})
    for file in files:
        document = _read(file)
        merged.places.update(document.places)
        _merge(merged, merged.content, document.content, ())
    if overrides:
        given = dict(overrides)
        changes = change_as_overlay(str(given.pop("set", "")).split())
        for content in (_typed(given), changes):
            _place(content, (), merged.places)
            _merge(merged, merged.content, content, ())
    return merged


def _place(value: Any, path: KeyPath, places: dict[KeyPath, str]) -> None:
    """Record that a value is from the command line."""
    places[path] = COMMAND_LINE
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in below:
        _place(item, (*path, str(key)), places)


def _typed(value: Any) -> Any:
    """Parse strings inside the lists and dicts of --config as YAML: Snakemake leaves them as text."""
    if isinstance(value, Mapping):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_typed(item) for item in value]
    if not isinstance(value, str):
        return value
    try:
        scalar = yaml_value(value)
    except (YAMLError, ValueError, RecursionError):
        return value
    return value if isinstance(scalar, dict | list) else scalar  # a prompt's {question} is not a mapping


def _read(file: Path) -> Document:
    name = _shown_name(file)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{name}: config file not found; run from the repository's root or name it") from None
    except (IsADirectoryError, PermissionError, UnicodeDecodeError) as error:
        raise UserError(f"{name}: config file cannot be read: {error}") from None
    places: dict[KeyPath, str] = {}
    yaml = YAML(typ="safe", pure=True)
    try:
        node = yaml.compose(text)
        content = {} if node is None else yaml.constructor.construct_document(node)
        _collect_places(node, (), name, places)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = str(error.problem).partition(" with value")[0]  # of a duplicate key
        raise UserError(f"{name}:{line}: not valid YAML: {problem}") from None
    except (YAMLError, ValueError) as error:
        raise UserError(f"{name}: not valid YAML: {first_line(error)}") from None
    except RecursionError:
        raise UserError(f"{name}: nested too deeply; an anchor must not stand within itself") from None
    if not isinstance(content, dict):
        raise UserError(f"{name}:1: must be a mapping of keys to values, got a {type(content).__name__}")
    return Document(content, places)


def _shown_name(file: Path) -> str:
    try:
        return file.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(file)


def _collect_places(node: Node | None, path: KeyPath, file: str, places: dict[KeyPath, str]) -> None:
    """Record where every key is written. UserError for what YAML 1.1 and 1.2 read differently."""
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            _collect_places(item, (*path, str(index)), file, places)
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            below = (*path, str(key.value))
            places[below] = f"{file}:{key.start_mark.line + 1}"
            _collect_places(key, below, file, places)
            _collect_places(value, below, file, places)
    elif isinstance(node, ScalarNode) and (half := _HALF.search(node.value)):
        raise UserError(
            f"{file}:{node.start_mark.line + 1}: {'.'.join(path)}: has half a character, "
            f"{ascii(half[0])[1:-1]}; write the character itself"
        )
    elif isinstance(node, ScalarNode) and node.style is None and _READ_DIFFERENTLY.fullmatch(node.value):
        raise UserError(
            f"{file}:{node.start_mark.line + 1}: {'.'.join(path)}: versions of YAML differ in what "
            f"{node.value} is; quote it, or write true, false or a number without leading zeros and colons"
        )


def _merge(document: Document, base: dict[str, Any], overlay: dict[str, Any], path: KeyPath) -> None:
    for key, value in overlay.items():
        below, former = (*path, str(key)), base.get(key)
        if isinstance(value, dict) and isinstance(former, dict):
            _merge(document, former, value, below)
        elif key == "kind" and former not in (None, value):
            raise UserError(
                f"{document.place_of(below)}: {'.'.join(below)}: an overlay cannot change the kind of an "
                f"entry ({former!r} to {value!r}); add an entry under a new name and refer to it"
            )
        else:
            base[key] = _apart(value)


def _apart(value: Any) -> Any:
    """A copy that shares nothing: an anchor and its aliases are one dict, and an overlay may change one."""
    if isinstance(value, dict):
        return {key: _apart(item) for key, item in value.items()}
    return [_apart(item) for item in value] if isinstance(value, list) else value
