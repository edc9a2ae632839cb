"""The plan for data: downloads, leak reports, data cards.

A set's name has a digest; the names `data/leaks.csv` and `data/<task>.md` have none, so these have plan files
like every exhibit.
"""

from __future__ import annotations

from typing import Any

from othink_mr1.config.sources import HubBackbone, HubSource, LocalSource, PromptsSource, UrlSource
from othink_mr1.config.study import StudyConfig, Task
from othink_mr1.plan.folders import backbone_folder, data_folder, leaks_file, raw_folder
from othink_mr1.plan.runs import all_runs

LEAKS = "leaks"


def data_card(task: str) -> str:
    """The exhibit name of a task's data card. No study can have that name: study names have no dot."""
    return f"data.{task}"


def raw_parts(config: StudyConfig, source: str) -> dict[str, str]:
    """The sources with a set's raw files, by part: the set itself, or its prompts and its images.

    None for a local one, which is read where it is.
    """
    whole = config.whole_set(source)
    declared = config.sources[whole]
    if isinstance(declared, LocalSource):
        return {}
    if isinstance(declared, PromptsSource):
        return {"prompts": declared.prompts, "images": declared.images}
    return {"raw": whole}


def used_sets(config: StudyConfig) -> list[str]:
    """The sources of the sets that the tasks and the backbones' pretraining need, each once."""
    sets = [source for task in config.tasks.values() for source in (task.train, task.test)]
    for backbone in used_backbones(config):
        shares = getattr(config.backbones[backbone], "pretraining", {}).values()
        sets += [share.source for share in shares]
    return list(dict.fromkeys([*sets, *map(config.whole_set, sets)]))


def used_sources(config: StudyConfig) -> list[str]:
    """The sources of these sets' raw files, each once."""
    parts = (part for source in used_sets(config) for part in raw_parts(config, source).values())
    return list(dict.fromkeys(parts))


def used_backbones(config: StudyConfig) -> list[str]:
    """The backbones whose weights the studies' runs start from, or have, each once."""
    return list(dict.fromkeys(run.weights for run in all_runs(config)))


def downloads(config: StudyConfig) -> list[str]:
    """The folders of everything that the study needs from the internet."""
    files = [name for name in used_sources(config) if isinstance(config.sources[name], UrlSource)]
    return [*hub_downloads(config), *(raw_folder(config, name) for name in files)]


def hub_downloads(config: StudyConfig) -> dict[str, tuple[str, str, str]]:
    """Folder of each hub download that the study needs -> repository's type, name, configured revision."""
    found: dict[str, tuple[str, str, str]] = {}
    for name in used_sources(config):
        source = config.sources[name]
        if isinstance(source, HubSource):
            found[raw_folder(config, name)] = (source.repository_type, source.repository, source.revision)
    for name in used_backbones(config):
        backbone = config.backbones[name]
        if isinstance(backbone, HubBackbone):
            found[backbone_folder(config, name)] = ("model", backbone.repository, backbone.revision)
    return found


def leaks_plan(config: StudyConfig) -> dict[str, Any]:
    """The plan of `data/leaks.csv`: a row per pair of a training and a test set."""
    pairs = [
        {
            "train_task": trained_on,
            "test_task": tested_on,
            "train": (train := config.tasks[trained_on].train),
            "test": (test := config.tasks[tested_on].test),
            "leaks": leaks_file(config, train, test),
        }
        for trained_on in config.own_tasks
        for tested_on in config.own_tasks
    ]
    return {"exhibit": LEAKS, "pairs": pairs}


def data_card_plan(config: StudyConfig, task: str) -> dict[str, Any]:
    """The plan of a task's data card: its two sets with their raw files, its prompts, its leaks."""
    declared: Task = config.tasks[task]
    return {
        "exhibit": data_card(task),
        "task": task,
        "train": _set(config, declared.train),
        "test": _set(config, declared.test),
        "prompts": {"train": declared.train_prompt, "test": declared.test_prompt},
        "leaks": leaks_file(config, declared.train, declared.test),
    }


def _set(config: StudyConfig, source: str) -> dict[str, Any]:
    return {
        "source": source,
        "folder": data_folder(config, source),
        "raw": [raw_folder(config, part) for part in raw_parts(config, source).values()],
    }
