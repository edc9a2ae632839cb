"""Write the content of each local source, as a sha256, into downloads.lock.json. Run once; commit that file.

A source that is in there already is read again and compared.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.config.load import load_study
from othink_mr1.config.sources import LocalSource
from othink_mr1.data.bounds import limit_memory
from othink_mr1.data.content import Content
from othink_mr1.data.progress import Progress
from othink_mr1.data.tables import Table
from othink_mr1.errors import UserError, run_entry_point
from othink_mr1.plan.download_lock import LOCK_FILE, agree, local_key


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("config.yaml"))
    parser.add_argument("--overlay", type=Path, action="append", default=[], help="merged in order")
    arguments = parser.parse_args()
    config = load_study([arguments.config, *arguments.overlay])
    sources = {name: source for name, source in config.sources.items() if isinstance(source, LocalSource)}
    if not sources:
        raise UserError("no source is of kind local; is an --overlay missing?")
    limit_memory()
    for name, source in sources.items():
        rows, expected = Table(Path(source.path), source).rows()
        content, count = Content(), 0
        for _ in Progress(f"read {name}", expected).over(content.over(rows)):
            count += 1
        if source.sha256 is None:
            agree(LOCK_FILE, local_key(source.path), content.sha256)
        elif source.sha256 != content.sha256:
            raise UserError(
                f"sources.{name}: its content has sha256 {content.sha256}, not {source.sha256} as the config "
                "says; bring the former data back, or write the new one there, which makes new runs"
            )
        print(f"{name}: {count} rows, sha256 {content.sha256}")


if __name__ == "__main__":
    run_entry_point(main)
