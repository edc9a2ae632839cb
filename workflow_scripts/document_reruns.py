"""Write into docs/reruns.md what each value of config.yaml makes anew, as the config's fields declare it."""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.artefacts.atomic_files import write_text
from othink_mr1.errors import run_entry_point
from othink_mr1.study.reruns_page import with_generated_part


def main() -> None:
    """Renew the page's generated part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, default=Path("docs/reruns.md"))
    arguments = parser.parse_args()
    write_text(arguments.page, with_generated_part(arguments.page.read_text(encoding="utf-8")))


if __name__ == "__main__":
    run_entry_point(main)
