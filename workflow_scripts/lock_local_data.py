"""Write what each local source and backbone contains, as a sha256, into downloads.lock.json. Run it once.

Commit that file. What is in there already is read again and compared.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from othink_mr1.config.load import load_study
from othink_mr1.config.sources import LocalBackbone, LocalSource
from othink_mr1.data.bounds import limit_memory
from othink_mr1.data.content import Content
from othink_mr1.data.local_backbone import backbone_content
from othink_mr1.data.progress import Progress
from othink_mr1.data.tables import Table
from othink_mr1.errors import UserError, printable, run_entry_point
from othink_mr1.plan.download_lock import LOCK_FILE, agree, local_key


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("config.yaml"))
    parser.add_argument("--overlay", type=Path, action="append", default=[], help="merged in order")
    arguments = parser.parse_args()
    config = load_study([arguments.config, *arguments.overlay])
    sources = {name: source for name, source in config.sources.items() if isinstance(source, LocalSource)}
    backbones = {name: one for name, one in config.backbones.items() if isinstance(one, LocalBackbone)}
    if not sources and not backbones:
        raise UserError("no source and no backbone is of kind local; is an --overlay missing?")
    for name, backbone in backbones.items():
        _lock(f"backbones.{name}", backbone, backbone_content(Path(backbone.path)))
    limit_memory()
    for name, source in sources.items():
        rows, expected = Table(Path(source.path), source).rows()
        content = Content()
        count, unusable, first = 0, 0, ""
        for row in Progress(f"read {name}", expected).over(content.over(rows)):
            count += 1
            if row.unusable is not None:
                unusable += 1
                first = first or printable(f"{row.where}: {row.unusable} ({row.unusable.detail})")
        # As the preparation does: of a test set none may be left out.
        is_test = name in {task.test for task in config.tasks.values()}
        most = 0.0 if is_test else config.preparation.largest_unusable_share
        _require_rows(name, count, unusable, first, most)
        _lock(f"sources.{name}", source, content.sha256)


def _require_rows(name: str, count: int, unusable: int, first: str, most: float) -> None:
    """UserError, before it is locked, for a set that no preparation would take. most: unusable share."""
    if count == 0:
        raise UserError(f"sources.{name}: has no rows; correct its path or files")
    said = f"sources.{name}: {unusable} of its {count} rows cannot be used, first {first}"
    if unusable > most * count:
        raise UserError(f"{said}; nothing of it is locked; correct the source and run this again")
    if unusable:
        print(said, file=sys.stderr)


def _lock(name: str, declared: LocalSource | LocalBackbone, sha256: str) -> None:
    if declared.sha256 is None:
        agree(LOCK_FILE, local_key(declared), sha256)
    elif declared.sha256 != sha256:
        raise UserError(
            f"{name}: its content has sha256 {sha256}, not {declared.sha256} as the config says; bring the "
            "former one back, or write the new sha256 there, which makes new runs"
        )
    print(f"{name}: sha256 {sha256}")


if __name__ == "__main__":
    run_entry_point(main)
