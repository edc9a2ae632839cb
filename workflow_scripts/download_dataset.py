"""Rule download_dataset: fetch a data set from the hub, or one file from the web."""

from __future__ import annotations

from othink_mr1.config.sources import Source
from othink_mr1.data.download.command import download_by_arguments
from othink_mr1.errors import run_entry_point


def main() -> None:
    download_by_arguments(__doc__, "source", Source, ["hub", "url"])


if __name__ == "__main__":
    run_entry_point(main)
