"""Rule prepare_dataset: bring a raw set, real or rendered, into the one schema of all sets."""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.data.prepare import prepare_dataset
from othink_mr1.errors import run_entry_point
from othink_mr1.study.artefacts import MANIFEST


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", required=True, choices=("parquet", "prompts"), help="of the raw set")
    parser.add_argument("--raw", required=True, type=Path, nargs="+", help="raw folders, or their manifests")
    parser.add_argument("--output", required=True, type=Path, help="folder to fill")
    parser.add_argument("--max-pixels", required=True, type=int, help="larger images are shrunk")
    parser.add_argument("--expect-rows", type=int, help="another number of rows is an error")
    arguments = parser.parse_args()
    raw = [path.parent if path.name == MANIFEST else path for path in arguments.raw]
    prepare_dataset(arguments.form, raw, arguments.output, arguments.max_pixels, arguments.expect_rows)


if __name__ == "__main__":
    run_entry_point(main)
