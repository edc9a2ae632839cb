"""Rule download_backbone: fetch a Qwen2-VL checkpoint from the hub."""

from __future__ import annotations

import argparse
import signal

from othink_mr1.config.sources import Backbone, HubBackbone
from othink_mr1.data.download.arguments import add_download_arguments, patience_of
from othink_mr1.data.download.sources import download
from othink_mr1.errors import UserError, run_entry_point
from othink_mr1.json_argument import parse_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", required=True, help="the backbone's settings, as JSON")
    add_download_arguments(parser)
    arguments = parser.parse_args()
    # Otherwise Ctrl-C would wait until the hub's library has fetched its current files.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    backbone = parse_json(Backbone, arguments.backbone, "--backbone")
    if not isinstance(backbone, HubBackbone):
        raise UserError(f"--backbone: must be of kind hub, got {backbone.kind}")
    download(backbone, arguments.output, arguments.lock, patience_of(arguments))


if __name__ == "__main__":
    run_entry_point(main)
