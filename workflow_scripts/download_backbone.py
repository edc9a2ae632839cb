"""Rule download_backbone: fetch a Qwen2-VL checkpoint from the hub."""

from __future__ import annotations

from othink_mr1.config.sources import Backbone
from othink_mr1.data.download.command import download_by_arguments
from othink_mr1.errors import run_entry_point


def main() -> None:
    download_by_arguments(__doc__, "backbone", Backbone, ["hub"])


if __name__ == "__main__":
    run_entry_point(main)
