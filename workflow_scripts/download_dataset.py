"""Rule download_dataset: fetch a data set from the hub, or one file from the web."""

from __future__ import annotations

from othink_mr1.config.sources import HubSource, Source, UrlSource
from othink_mr1.data.download.command import download_by_arguments
from othink_mr1.errors import run_entry_point


def main() -> None:
    download_by_arguments(__doc__, "source", Source, {"hub": HubSource, "url": UrlSource})


if __name__ == "__main__":
    run_entry_point(main)
