"""The code that makes an exhibit: its entry point, and the modules of othink_mr1.exhibits that this imports.

A chart's colour redraws the charts, and collects nothing again. Other packages are not looked at: what they
mean has numbers (versions.py) that stand in the names of their results.
"""

from __future__ import annotations

import ast
import hashlib
from functools import lru_cache
from pathlib import Path

from othink_mr1.study.identity import digest

_PACKAGE = "othink_mr1.exhibits"
_DATA = (".csv", ".json", ".tex", ".md")  # beside the modules; which of them reads what is not known


def code_digest(scripts: Path, entry_point: str) -> str:
    """One digest of the content of an exhibit's code. scripts: the folder of the entry points."""
    package = scripts / Path(*_PACKAGE.split("."))
    modules: dict[str, Path] = {}
    waiting = [scripts / f"{entry_point}.py"]
    while waiting:
        file = waiting.pop()
        modules[file.relative_to(scripts).as_posix()] = file
        for name in _imports(file.read_text(encoding="utf-8")):
            found = package / f"{name}.py"
            if found.is_file() and found.relative_to(scripts).as_posix() not in modules:
                waiting.append(found)
    data = [path for path in package.rglob("*") if path.suffix in _DATA]
    files = modules | {path.relative_to(scripts).as_posix(): path for path in data}
    return digest({name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()})


@lru_cache(maxsize=1000)
def _imports(source: str) -> frozenset[str]:
    """The modules of the package that a module imports, by name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == _PACKAGE:
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(f"{_PACKAGE}."):
            found.add(node.module.removeprefix(f"{_PACKAGE}."))
    return frozenset(found)
