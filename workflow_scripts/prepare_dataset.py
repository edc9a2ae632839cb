"""Rule prepare_dataset: convert a raw set, real or rendered, to the common schema."""

from __future__ import annotations

import argparse
from functools import partial

from othink_mr1.artefacts.manifests import MANIFEST
from othink_mr1.config.sources import TableSource
from othink_mr1.data.bounds import limit_memory
from othink_mr1.data.prepare import prepare_dataset
from othink_mr1.data.row_to_example import RowLimits
from othink_mr1.data.tables import Table
from othink_mr1.errors import run_entry_point
from othink_mr1.json_argument import parse_json
from othink_mr1.path_argument import path_argument
from othink_mr1.scoring.task_scorers import check_gold, load_scorer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", required=True, choices=("table", "prompts"), help="of the raw set")
    parser.add_argument(
        "--raw", type=path_argument, nargs="*", default=[], help="raw folders, or their manifests"
    )
    parser.add_argument("--local", type=path_argument, help="a file or folder of yours, in place of --raw")
    parser.add_argument("--sha256", help="of the content of --local")
    parser.add_argument(
        "--table", default="{}", help="columns, split and config of the source, as JSON; for --form table"
    )
    parser.add_argument("--output", required=True, type=path_argument, help="folder to fill")
    parser.add_argument("--max-pixels", required=True, type=_count, help="larger images are shrunk")
    parser.add_argument(
        "--max-prompt-tokens", required=True, type=_count, help="rows with longer prompts are unusable"
    )
    parser.add_argument(
        "--largest-unusable-share", required=True, type=_share, help="of training rows; more is an error"
    )
    parser.add_argument("--expect-rows", type=_count, help="another number of rows is an error")
    parser.add_argument("--threads", type=_count, default=1, help="the result does not depend on it")
    parser.add_argument(
        "--scorers", nargs="*", default=[], help="of the tasks that use the set: each refuses golds"
    )
    arguments = parser.parse_args()
    for name in arguments.scorers:
        load_scorer(name)  # raises if there is no such scorer
    limit_memory()
    choice = parse_json(TableSource, arguments.table, "--table")
    raw = [path.parent if path.name == MANIFEST else path for path in arguments.raw]
    if (arguments.local is None) == (not raw) or (arguments.local is None) != (arguments.sha256 is None):
        parser.error("need --raw, or --local with --sha256")
    # Reads the whole raw set first, which takes minutes.
    prepare_dataset(
        Table(arguments.local or raw[0], choice) if arguments.form == "table" else raw,
        arguments.output,
        RowLimits(arguments.max_pixels, arguments.max_prompt_tokens),
        arguments.largest_unusable_share,
        arguments.expect_rows,
        arguments.threads,
        partial(check_gold, scorers=arguments.scorers),
        arguments.sha256,
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {text!r}")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, got {text!r}")
    return share


if __name__ == "__main__":
    run_entry_point(main)
