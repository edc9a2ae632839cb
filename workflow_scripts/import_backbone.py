"""Rule import_backbone: copy a checkpoint of yours, or of others, from a folder."""

from __future__ import annotations

import argparse

from othink_mr1.config.sources import Backbone, LocalBackbone
from othink_mr1.data.local_backbone import import_backbone
from othink_mr1.errors import UserError, run_entry_point
from othink_mr1.json_argument import parse_json
from othink_mr1.path_argument import path_argument


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", required=True, help="the backbone's settings, as JSON")
    parser.add_argument("--sha256", required=True, help="of its files")
    parser.add_argument("--output", required=True, type=path_argument, help="folder to fill")
    arguments = parser.parse_args()
    backbone = parse_json(Backbone, arguments.backbone, "--backbone")
    if not isinstance(backbone, LocalBackbone):
        raise UserError(f"--backbone: must be of kind local, got {backbone.kind}")
    import_backbone(path_argument(backbone.path), arguments.sha256, arguments.output)


if __name__ == "__main__":
    run_entry_point(main)
