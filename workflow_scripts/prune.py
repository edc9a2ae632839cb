"""List what no exhibit of the study uses any more, with size and age; delete it with --delete."""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.artefacts.one_writer import hold_results
from othink_mr1.config.load import load_study
from othink_mr1.errors import run_tool
from othink_mr1.study.prune import delete, find_unused, found_lines


def main() -> None:
    """Print what is unused, and delete it if that is asked for."""
    parser = argparse.ArgumentParser(
        description=f"{__doc__} Exhibits stay, and so does what is being written, reached through a link, or "
        "not the workflow's. A results root within this one (results/mini) is not looked at."
    )
    parser.add_argument("--config", type=Path, default=Path("config.yaml"))
    parser.add_argument("--overlay", type=Path, action="append", default=[], help="merged in order")
    parser.add_argument(
        "--keep-overlay",
        action="append",
        default=[],
        metavar="FILE[,FILE]",
        help="another study with the same results root, by its overlays on the config: what it uses stays, "
        "too; may be given several times",
    )
    parser.add_argument("--delete", action="store_true", help="delete what is listed; nothing brings it back")
    arguments = parser.parse_args()
    config = load_study([arguments.config, *arguments.overlay])
    others = [
        load_study([arguments.config, *map(Path, overlays.split(","))]) for overlays in arguments.keep_overlay
    ]
    results = Path(config.results)
    if arguments.delete and results.is_dir():
        hold_results(results)  # what a running snakemake is about to use or to make is not seen here
    found = find_unused(results, [config, *others])
    for line in found_lines(found):
        print(line)
    if not arguments.delete:
        print("nothing was deleted; --delete deletes what is listed" if found.unused else "nothing to delete")
        return
    for entry in found.unused:
        delete(entry)
    print(f"deleted: {len(found.unused)}")


if __name__ == "__main__":
    run_tool(main)
