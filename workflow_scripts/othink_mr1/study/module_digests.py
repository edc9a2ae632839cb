"""A digest of each module of the package and of each entry point, and what it imports.

The digest is of what Python makes of the source, its syntax tree, so that comments, docstrings, blank lines
and line breaks do not count: a corrected comment must not cast doubt on weeks of training. The tree is
written out here and not by ast.dump, whose text differs between versions of Python. A csv beside a module
with the module's name (paper_numbers.csv) is part of it.

Parsing all modules takes some tenths of a second, too long for each start of Snakemake. So what was found is
kept beside the plans, by the source's sha256: it is never out of date, and can be lost at any time.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from othink_mr1.errors import UserError
from othink_mr1.study.atomic_files import sha256_of, write_json

PACKAGE = "othink_mr1"
SCRIPTS = Path(__file__).resolve().parents[2]  # the folder of the entry points and the package

# Fields of the tree that say nothing, or that some versions of Python lack.
_SAYS_NOTHING = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


@dataclass(frozen=True)
class Module:
    """digest: sha256 in hex. imports: names of the modules that it imports or names whole in a text."""

    digest: str
    imports: tuple[str, ...]


class Modules:
    """The modules below a folder of entry points, as each was when it was first asked for.

    A module's name is its dotted path within the package (`training.loss`; `othink_mr1` is the package's own
    __init__.py), an entry point's its file's (`train_grpo`).
    """

    def __init__(self, scripts: Path = SCRIPTS, results: Path | None = None) -> None:
        """results: the results root in which what is found is kept, if any."""
        self._scripts = scripts
        self._kept_file = None if results is None else results / "plans" / ".modules.json"
        # sha256 of a source -> its digest, and the names in it that may be modules
        self._kept = {} if self._kept_file is None else _read_kept(self._kept_file)
        self._used: dict[str, list[str]] = {}
        self._found: dict[str, Module | None] = {}
        self._files: dict[str, Path | None] = {}

    def find(self, name: str) -> Module | None:
        """A module by its name, None if there is none. UserError if it is not Python."""
        if name not in self._found:
            file = self._file(name)
            self._found[name] = None if file is None else self._read(name, file)
        return self._found[name]

    def used_by(self, roots: tuple[str, ...]) -> dict[str, str]:
        """Name -> digest of the roots and of all that they import, directly or not.

        UserError if one of them is no module.
        """
        found: dict[str, str] = {}
        open_names = list(roots)
        while open_names:
            name = open_names.pop()
            if name in found:
                continue
            module = self.find(name)
            if module is None:
                raise UserError(f"{self._scripts}: has no module {name}")
            found[name] = module.digest
            open_names += module.imports
        return dict(sorted(found.items()))

    def keep(self) -> None:
        """Keep what this process asked for, so that the next one need not parse it."""
        if self._kept_file is not None and self._used != self._kept:
            write_json(self._kept_file, {"by": _own_sha256(), "modules": self._used})

    def _file(self, name: str) -> Path | None:
        if name not in self._files:
            self._files[name] = next((file for file in self._candidates(name) if file.is_file()), None)
        return self._files[name]

    def _candidates(self, name: str) -> Iterator[Path]:
        package = self._scripts / PACKAGE
        if name == PACKAGE:
            yield package / "__init__.py"
            return
        path = package.joinpath(*name.split("."))
        yield path.with_name(f"{path.name}.py")
        yield path / "__init__.py"
        if "." not in name:
            yield self._scripts / f"{name}.py"

    def _read(self, name: str, file: Path) -> Module:
        digest, *imports = self._facts_of(file, file.read_bytes())
        data = file.with_suffix(".csv")
        if data.is_file():
            digest = hashlib.sha256(digest.encode() + data.read_bytes()).hexdigest()
        # Python runs a package's __init__.py before a module in it.
        above = [_above(name)] if file.is_relative_to(self._scripts / PACKAGE) else []
        return Module(digest, tuple(sorted({*self._existing(imports), *above} - {name})))

    def _facts_of(self, file: Path, source: bytes) -> list[str]:
        """The digest of a source, and all names in it that may be modules."""
        key = hashlib.sha256(source).hexdigest()
        if key not in self._used:
            self._used[key] = self._kept.get(key) or _parsed(file, source)
        return self._used[key]

    def _existing(self, names: list[str]) -> Iterator[str]:
        """Of names that may be a module or something in one, the modules."""
        for name in names:
            if self._file(name) is not None:
                yield name
            elif self._file(_above(name)) is not None:
                yield _above(name)


def _above(name: str) -> str:
    return name.rpartition(".")[0] or PACKAGE


def _parsed(file: Path, source: bytes) -> list[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{file}: is no Python ({error})") from None
    return [tree_digest(tree), *sorted(set(_named_modules(tree)))]


def tree_digest(tree: ast.Module) -> str:
    """The sha256 of a syntax tree without texts that stand alone, such as docstrings."""
    written: list[str] = []
    _write(tree, written)
    return hashlib.sha256("".join(written).encode("utf-8", "surrogatepass")).hexdigest()


def _write(node: object, written: list[str]) -> None:
    """The tree as text: a node's kind, and its fields by name where they hold anything."""
    if isinstance(node, ast.AST):
        written.append(f"{type(node).__name__}(")
        for name in node._fields:
            value = getattr(node, name, None)
            if value is not None and value != [] and name not in _SAYS_NOTHING:
                written.append(f"{name}=")
                _write(value, written)
        written.append(")")
    elif isinstance(node, list):
        written.append("[")
        for part in node:
            if not _stands_alone(part):
                _write(part, written)
                written.append(",")
        written.append("]")
    else:
        written.append(repr(node))


def _stands_alone(node: object) -> bool:
    """Whether a statement is just a text: a docstring, or one that serves as a comment."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _named_modules(tree: ast.Module) -> Iterator[str]:
    """The package's modules, or names in them, that a module imports anywhere, or names whole in a text.

    The latter is how a process is started with `-m`.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from _in_package(*(alias.name for alias in node.names))
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from _in_package(*(f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _in_package(node.value)


def _in_package(*names: str) -> Iterator[str]:
    for name in names:
        if name.startswith(f"{PACKAGE}.") and all(part.isidentifier() for part in name.split(".")):
            yield name.removeprefix(f"{PACKAGE}.")


def _read_kept(file: Path) -> dict[str, list[str]]:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    # By another version of this file a digest may mean something else.
    return kept["modules"] if isinstance(kept, dict) and kept.get("by") == _own_sha256() else {}


@cache
def _own_sha256() -> str:
    return sha256_of(Path(__file__))
