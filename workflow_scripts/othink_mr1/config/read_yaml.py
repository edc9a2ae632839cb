"""Read config files as Snakemake does, but with line numbers, and with duplicate keys refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from othink_mr1.errors import UserError

KeyPath = tuple[str, ...]


COMMAND_LINE = "--config"  # the place of what was written on Snakemake's command line


@dataclass
class Document:
    """The merged content of config files, and the place (`file:line`) where each key was last written."""

    content: dict[str, Any]
    places: dict[KeyPath, str]

    def place_of(self, path: KeyPath) -> str | None:
        """Where the key, or the nearest key above it, was written."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return None


def read_documents(files: list[Path], overrides: Mapping[str, Any] | None = None) -> Document:
    """Read config files and merge them in order: dicts are merged, everything else is replaced.

    overrides: what Snakemake's --config holds; it comes last.

    Raises UserError: missing file, broken YAML, duplicate key, no mapping at the top, or a later file
    that changes the `kind` of an entry (it would inherit the other kind's keys).
    """
    merged = Document({}, {})
    for file in files:
        document = _read(file)
        _refuse_changed_kinds(merged, document)
        _merge(merged.content, document.content)
        merged.places.update(document.places)
    if overrides:
        content = _typed(overrides)
        _merge(merged.content, content)
        merged.places.update(dict.fromkeys(_paths(content, ()), COMMAND_LINE))
    return merged


def _typed(value: Any) -> Any:
    """Snakemake leaves what is inside the lists and dicts of --config as text: read it as YAML would."""
    if isinstance(value, Mapping):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_typed(item) for item in value]
    if not isinstance(value, str):
        return value
    try:
        scalar = yaml.safe_load(value)
    except yaml.YAMLError:
        return value
    return value if isinstance(scalar, dict | list) else scalar  # a prompt's {question} is no mapping


def _paths(content: Any, path: KeyPath) -> Iterator[KeyPath]:
    entries: Iterable[tuple[Any, Any]] = ()
    if isinstance(content, Mapping):
        entries = content.items()
    elif isinstance(content, list):
        entries = enumerate(content)
    for key, value in entries:
        yield (*path, str(key))
        yield from _paths(value, (*path, str(key)))


def _read(file: Path) -> Document:
    name = _shown_name(file)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{name}: config file not found; run from the repository's root or name it") from None
    except (IsADirectoryError, PermissionError, UnicodeDecodeError) as error:
        raise UserError(f"{name}: config file cannot be read: {error}") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        places: dict[KeyPath, str] = {}
        if node is not None:
            _collect_places(node, (), name, places)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{name}:{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from None
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise UserError(f"{name}:1: must be a mapping of keys to values, got a {type(content).__name__}")
    return Document(content, places)


def _shown_name(file: Path) -> str:
    try:
        return file.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(file)


def _collect_places(node: yaml.Node, path: KeyPath, file: str, places: dict[KeyPath, str]) -> None:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _collect_places(item, (*path, str(index)), file, places)
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key in lines:
            dotted = ".".join((*path, key))
            raise UserError(f"{file}:{line}: {dotted}: written twice, first in line {lines[key]}; keep one")
        lines[key] = line
        places[(*path, key)] = f"{file}:{line}"
        _collect_places(value_node, (*path, key), file, places)


def _merge(base: dict[str, Any], overlay: dict[str, Any]) -> None:
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value


def _refuse_changed_kinds(base: Document, overlay: Document) -> None:
    for path, place in overlay.places.items():
        if path[-1] != "kind" or path not in base.places:
            continue
        before, after = _value_at(base.content, path), _value_at(overlay.content, path)
        if before != after:
            raise UserError(
                f"{place}: {'.'.join(path)}: an overlay cannot change the kind of an entry "
                f"({before!r} to {after!r}); add an entry under a new name and refer to it"
            )


def _value_at(content: Any, path: KeyPath) -> Any:
    for key in path:
        content = content[int(key)] if isinstance(content, list) else content[key]
    return content
