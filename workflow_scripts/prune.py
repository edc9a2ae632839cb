"""List what no exhibit of the study uses any more, with sizes. Deletes nothing: use rm.

Of the repository's own further studies (studies/*.yaml) those with the same results folder count, too.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from othink_mr1.config.load import load_study
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError, run_tool
from othink_mr1.tools.prune import find_unused, unused_lines


def main() -> None:
    parser = argparse.ArgumentParser(description=f"{__doc__} Exhibits are not listed.")
    parser.add_argument("--config", type=Path, default=Path("config.yaml"))
    parser.add_argument("--overlay", type=Path, action="append", default=[], help="merged in order")
    parser.add_argument(
        "--keep-overlay",
        action="append",
        default=[],
        metavar="FILE[,FILE]",
        help="another study with the same results folder, by its overlays on the config: what it uses is not "
        "listed either; may be given several times",
    )
    arguments = parser.parse_args()
    config = load_study([arguments.config, *arguments.overlay])
    studies = {" + ".join(map(str, arguments.overlay)) or str(arguments.config): config}
    for overlays in arguments.keep_overlay:
        studies[overlays] = load_study([arguments.config, *map(Path, overlays.split(","))])
        if not _same_folder(studies[overlays], config):
            raise UserError(
                f"--keep-overlay {overlays}: its results are in {studies[overlays].results}; leave it out"
            )
    for overlay in sorted(Path("studies").glob("*.yaml")):
        try:
            other = load_study([arguments.config, overlay])
        except UserError as error:  # of a config that has no such method, for one
            print(
                f"warning: this overlay does not fit this config, so what only it uses is listed: {error}",
                file=sys.stderr,
            )
        else:
            if _same_folder(other, config):
                studies[str(overlay)] = other
    for line in unused_lines(find_unused(Path(config.results), studies.values()), list(studies)):
        print(line)


def _same_folder(study: StudyConfig, other: StudyConfig) -> bool:
    return Path(study.results).resolve() == Path(other.results).resolve()


if __name__ == "__main__":
    run_tool(main)
