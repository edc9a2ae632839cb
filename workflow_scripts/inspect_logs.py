"""Write the answers of a study as logs that `inspect view` shows, sample by sample.

Into <results>/inspect: a file per checkpoint and tested task whose answers are there and scored.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.config.load import load_study
from othink_mr1.errors import UserError, run_tool
from othink_mr1.exhibits.inspect_logs import logs_of, write_log


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("config.yaml"))
    parser.add_argument("--overlay", type=Path, action="append", default=[], help="merged in order")
    arguments = parser.parse_args()
    config = load_study([arguments.config, *arguments.overlay])
    logs = list(logs_of(config))
    if not logs:
        raise UserError(f"{config.results}: has no scored answers yet; run snakemake first")
    folder = Path(config.results) / "inspect"
    for number, log in enumerate(logs, start=1):
        file = folder / f"{log.name}.eval"
        samples = write_log(log, file)
        print(f"{number}/{len(logs)} {file}: {samples} samples", flush=True)
    print(f"to look at them: pip install inspect-ai (elsewhere), inspect view --log-dir {folder}")


if __name__ == "__main__":
    run_tool(main)
