"""Rule download_dataset: fetch a data set from the hub, or one file from the web."""

from __future__ import annotations

import argparse
import signal

from othink_mr1.config.sources import HubSource, Source, UrlSource
from othink_mr1.data.download.arguments import add_download_arguments, patience_of
from othink_mr1.data.download.sources import download
from othink_mr1.errors import UserError, run_entry_point
from othink_mr1.json_argument import parse_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, help="the source's settings, as JSON")
    add_download_arguments(parser)
    arguments = parser.parse_args()
    # Otherwise Ctrl-C would wait until the hub's library has fetched its current files.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    source = parse_json(Source, arguments.source, "--source")
    if not isinstance(source, HubSource | UrlSource):
        raise UserError(f"--source: must be of kind hub or url, got {source.kind}")
    download(source, arguments.output, arguments.lock, patience_of(arguments))


if __name__ == "__main__":
    run_entry_point(main)
