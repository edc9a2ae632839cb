"""Lists, with sizes, what is in a results folder and not used by any of the given studies.

Nothing is deleted here: only the user knows whether a study in another checkout needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from othink_mr1.artefacts.one_writer import writer_of
from othink_mr1.artefacts.results_tree import results_tree, size_of
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.plan import tables, versions
from othink_mr1.plan.data import used_backbones, used_sets, used_sources
from othink_mr1.plan.folders import backbone_folder, data_folder, raw_folder


@dataclass(frozen=True)
class Unused:
    """path: a folder or a file. bytes: its size."""

    kind: str
    path: Path
    bytes: int


def find_unused(results: Path, studies: Iterable[StudyConfig]) -> list[Unused]:
    """Artefact folders and sealed files that no table of the studies names. UserError without `results`."""
    if not results.is_dir():
        raise UserError(f"{results}: there is no such folder; check `results`, or run snakemake first")
    used = {results / path for config in studies for path in _named(config)}
    tree = results_tree(results)
    found = [*tree.folders, *((kind, file) for kind, file in tree.files if kind != "exhibits")]
    return [
        Unused(kind, path, size_of(path))
        for kind, path in found
        # A folder that is being written may belong to a study that is not given.
        if path not in used and writer_of(path) is None
    ]


def unused_lines(unused: Iterable[Unused], studies: Sequence[str]) -> Iterator[str]:
    """The list as lines of text. studies: their overlays, or the config itself, for the last line."""
    total = count = 0
    for entry in unused:
        total, count = total + entry.bytes, count + 1
        yield f"{entry.kind:<10} {entry.bytes / 1e6:>14,.1f} MB  {entry.path}"
    yield f"unused by {', '.join(studies)}: {count}, {total / 1e6:,.1f} MB; nothing was deleted"
    yield "other overlays of yours with this results folder: name each with --keep-overlay, before you delete"


def _named(config: StudyConfig) -> Iterator[str]:
    """Every path below the results root that the study makes, except its exhibits."""
    yield from (raw_folder(config, source) for source in used_sources(config))
    for source in used_sets(config):
        folder = data_folder(config, source)
        yield folder
        yield f"data/fingerprints/{Path(folder).name}-{versions.LEAKS}.parquet"
    yield from (f"data/leaks/{name}.csv" for name in tables.leak_pairs(config))
    yield from (backbone_folder(config, name) for name in used_backbones(config))
    yield from (f"runs/{name}" for name in tables.runs(config))
    for folder, entry in tables.answers_by_folder(tables.answers(config)).items():
        yield f"answers/{folder}"
        yield f"scores/{folder}/{entry.scores}.csv"
