"""Rule render_source: draw a rendered set in the raw format of the real ones."""

from __future__ import annotations

import argparse

from othink_mr1.config.sources import RenderedSource, Source
from othink_mr1.errors import UserError, run_entry_point
from othink_mr1.imports import quick_imports
from othink_mr1.json_argument import parse_json
from othink_mr1.path_argument import path_argument

with quick_imports():
    from othink_mr1.data.rendering.render_source import render_source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, help="the source's settings, as JSON")
    parser.add_argument("--output", required=True, type=path_argument, help="folder to fill")
    arguments = parser.parse_args()
    source = parse_json(Source, arguments.source, "--source")
    if not isinstance(source, RenderedSource):
        raise UserError(f"--source: must be of kind rendered, got {source.kind}")
    render_source(source, arguments.output)


if __name__ == "__main__":
    run_entry_point(main)
