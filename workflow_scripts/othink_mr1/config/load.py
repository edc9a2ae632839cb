"""Load and check the study's config. Every mistake gives a one-line error: what, where and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from othink_mr1.config.read_yaml import Document, KeyPath, read_documents
from othink_mr1.config.settings import flat, merged_settings, validate_settings, with_changes, written_at
from othink_mr1.config.sources import (
    HubSource,
    LocalSource,
    PartSource,
    PromptsSource,
    RenderedSource,
    UrlSource,
)
from othink_mr1.config.study import CHAT_TEMPLATE_TOKENS, TEMPLATE_ALLOWANCE, StudyConfig, StudyGrid
from othink_mr1.config.suggest import unknown_name
from othink_mr1.errors import UserError

# Exhibits that are not studies: `results/<name>.csv` is reserved for them.
RESERVED_EXHIBITS = (
    *("runs", "reward_curves", "claims", "leaks", "scorer_audit", "table1", "report"),
    *(f"figure{number}" for number in range(1, 9)),
    *("training", "counts", "matrix"),
)

_TRAINED_ON = (RenderedSource, HubSource, LocalSource)


def load_study(files: list[Path], overrides: Mapping[str, Any] | None = None) -> StudyConfig:
    """Read, merge and check config files: the study, its overlays and --config's overrides, in this order.

    Raises UserError naming file, line, key, value and what is allowed.
    """
    return checked_study(read_documents(files, overrides))


def checked_study(document: Document) -> StudyConfig:
    """The study in a document. Raises UserError as load_study does."""
    try:
        config = StudyConfig.model_validate(document.content)
    except ValidationError as error:
        path, problem = _first_problem(error, document.content)
        raise UserError(_located(path, problem, document)) from None
    for path, problem in _problems(config):
        raise UserError(_located(path, problem, document))
    return config


def _problems(config: StudyConfig) -> Iterator[tuple[KeyPath, str]]:
    """References between entries, methods' settings and grids, in the order of the file."""
    yield from _place_problems(config)
    yield from _references(config)
    yield from _repetitions(config)
    yield from _method_problems(config)
    for name in config.studies:
        yield from _grid_problems(config, name)
        yield from _choice_problems(config, name)


def _place_problems(config: StudyConfig) -> Iterator[tuple[KeyPath, str]]:
    results = Path(config.results)
    for place in (results, *results.parents):
        if place.is_symlink() and not place.exists():
            yield (
                ("results",),
                f"{place} is a link to {place.readlink()}, which is not there; make that folder",
            )
            return
        if place.exists():
            if not place.is_dir():
                yield ("results",), f"must be a folder; {place} is a file"
            return


def _repetitions(config: StudyConfig) -> Iterator[tuple[KeyPath, str]]:
    """What stands twice in a list: most likely another was meant, and no item is counted twice."""
    lists: dict[KeyPath, list[Any]] = {("seeds",): config.seeds}
    lists |= {
        ("studies", name, key): getattr(grid, key)
        for name, grid in config.studies.items()
        for key in ("tested_on", "seeds")
        if isinstance(getattr(grid, key), list)
    }
    lists |= {
        ("studies", name, "choice", "seeds"): grid.choice.seeds
        for name, grid in config.studies.items()
        if grid.choice
    }
    for path, entries in lists.items():
        for index, entry in enumerate(entries):
            if entry in entries[:index]:
                yield (*path, str(index)), f"{entry} is in the list already"


def _references(config: StudyConfig) -> Iterator[tuple[KeyPath, str]]:
    if config.backbone not in config.backbones:
        yield ("backbone",), unknown_name("backbone", config.backbone, config.backbones)
    for name, source in config.sources.items():
        if isinstance(source, PartSource) and "." not in name:
            yield ("sources", name, "kind"), "must not be part; give the task that trains on it `validation`"
        if isinstance(source, PromptsSource):
            for key, kinds in (("prompts", (HubSource, UrlSource)), ("images", (HubSource, UrlSource))):
                yield from _source_reference(config, ("sources", name, key), getattr(source, key), kinds)
    for name, backbone in config.backbones.items():
        for share_name, share in getattr(backbone, "pretraining", {}).items():
            path = ("backbones", name, "pretraining", share_name, "source")
            yield from _source_reference(config, path, share.source, _TRAINED_ON)
    for name, task in config.tasks.items():
        if isinstance(config.sources.get(task.test), PartSource):
            continue  # of the validation items: made from another task
        whole = config.whole_set(task.train)
        yield from _source_reference(config, ("tasks", name, "train"), whole, _TRAINED_ON)
        yield from _source_reference(
            config, ("tasks", name, "test"), task.test, (*_TRAINED_ON, PromptsSource)
        )
        for split, used in (("train", whole), ("test", task.test)):
            source = config.sources[used]
            if isinstance(source, RenderedSource) and source.split != split:
                yield (
                    ("tasks", name, split),
                    f"must be a source whose split is {split}; {used} is split {source.split}",
                )
        # The preparation's prompt limit allows TEMPLATE_ALLOWANCE tokens for the text around the question.
        around = len(task.train_prompt.replace("{question}", "").encode()) + CHAT_TEMPLATE_TOKENS
        if around > TEMPLATE_ALLOWANCE:
            longest = TEMPLATE_ALLOWANCE - CHAT_TEMPLATE_TOKENS
            yield ("tasks", name, "train_prompt"), f"must have at most {longest} bytes around the question"
    shown = config.exhibits
    named = [("proposed", shown.proposed), ("against", shown.against)]
    named += [(f"baselines.{place}", name) for place, name in enumerate(shown.baselines)]
    for key, name in named:
        if name not in config.methods:
            yield ("exhibits", *key.split(".")), unknown_name("method", name, config.methods)
    for name, grid in config.studies.items():
        for other, compared in config.studies.items():
            if compared.choice and name in (f"{other}_comparison", f"{other}_seeds"):
                yield ("studies", name), f"must have another name: {name}.csv compares the methods of {other}"
        if name in RESERVED_EXHIBITS:
            yield ("studies", name), f"must not be {', '.join(RESERVED_EXHIBITS)}: these name other exhibits"
        if grid.tested_on == "other" and len(config.own_tasks) == 1:
            yield (
                ("studies", name, "tested_on"),
                f"there is no task but {config.own_tasks[0]}; name what to test on, or remove this study",
            )
        for key, known in (
            ("tasks", config.trained_tasks),
            ("methods", config.methods),
            ("backbones", config.backbones),
            ("tested_on", config.tasks),
        ):
            entries = getattr(grid, key)
            for index, entry in enumerate(entries if isinstance(entries, list) else []):
                if entry in known:
                    continue
                problem = unknown_name("task" if key == "tested_on" else key[:-1], entry, known)
                if key == "tasks" and entry in config.tasks:
                    trained = config.tasks[entry].variant_of
                    problem = f"{entry} is trained as {trained}, whose set it has; name it in tested_on"
                yield ("studies", name, key, str(index)), problem


def _source_reference(
    config: StudyConfig, path: KeyPath, name: str, kinds: tuple[type[BaseModel], ...]
) -> Iterator[tuple[KeyPath, str]]:
    if name not in config.sources:
        yield path, unknown_name("source", name, config.sources)
    elif not isinstance(config.sources[name], kinds):
        allowed = " or ".join(_kind(kind) for kind in kinds)
        yield path, f"must be a source of kind {allowed}; {name} is of kind {config.sources[name].kind}"


def _kind(model: type[BaseModel]) -> str:
    return str(get_args(model.model_fields["kind"].annotation)[0])


def _method_problems(config: StudyConfig) -> Iterator[tuple[KeyPath, str]]:
    for method, raw in config.methods.items():
        by_task = raw.get("by_task", {})
        if not isinstance(by_task, dict):
            yield (
                ("methods", method, "by_task"),
                f"must be a mapping of tasks to settings, got {by_task!r:.100}",
            )
            continue
        for task, own in by_task.items():
            path = ("methods", method, "by_task", str(task))
            if task not in config.trained_tasks:
                yield path, unknown_name("task", task, config.trained_tasks)
            if not isinstance(own, dict):
                yield path, f"must be a mapping of settings to values, got {own!r:.100}"
    for method in config.methods:
        for task in config.trained_tasks:
            try:
                raw = merged_settings(config.methods, method, task)
                validate_settings(raw)
            except UserError as error:
                path_text, problem = str(error).split(": ", 1)
                yield tuple(path_text.split(".")), problem
            except ValidationError as error:
                setting, problem = _first_problem(error, raw)
                yield (
                    written_at(config.methods, method, task, setting),
                    f"{problem} (method {method}, task {task})",
                )
            usual = merged_settings(config.methods, method, None)
            if "none" in (raw["trainer"], usual.get("trainer")):
                if raw != usual:
                    problem = "a method with `trainer: none` has the same weights for all tasks"
                    yield ("methods", method, "by_task"), f"{problem}; write two methods"
                for key, what, known in (
                    ("backbone", "backbone", config.backbones),
                    ("trained_on", "task", config.own_tasks),
                ):
                    if raw.get(key) is not None and raw[key] not in known:
                        where = written_at(config.methods, method, task, (key,))
                        yield where, unknown_name(what, raw[key], known)


def _grid_problems(config: StudyConfig, name: str) -> Iterator[tuple[KeyPath, str]]:
    grid = config.studies[name]
    for method in grid.methods:
        for task in grid.tasks:
            raw = validate_settings(merged_settings(config.methods, method, task)).model_dump()
            if raw["trainer"] == "none":
                continue
            for number, changes in enumerate(grid.combinations(method)):
                for setting, problem in _change_problems(method, raw, changes):
                    where = _written_in(grid, method, number, setting, changes.get(setting))
                    yield ("studies", name, *where), problem


def _choice_problems(config: StudyConfig, name: str) -> Iterator[tuple[KeyPath, str]]:
    grid, path = config.studies[name], ("studies", name, "choice")
    choice = grid.choice
    if choice is None:
        return
    if grid.vary or grid.curves:
        yield ("studies", name, "vary" if grid.vary else "curves"), "cannot be used together with choice"
    for task in grid.tasks:
        if config.tasks[task].validation is None:
            yield path, f"needs validation items, but task {task} has no `validation`"
        own = config.tasks[task].variant_of or task
        if grid.tested_on == "other" or (
            isinstance(grid.tested_on, list) and not {task, own} & set(grid.tested_on)
        ):
            yield (
                ("studies", name, "tested_on"),
                f"must have {own} too: a comparison is of the task trained on",
            )
    for index, seed in enumerate(choice.seeds):
        if seed in (grid.seeds or config.seeds):
            yield (*path, "seeds", str(index)), f"{seed} is a seed of the comparison too; take another"
    for method in (*choice.candidates, choice.baseline):
        where = (*path, *(("candidates", method) if method in choice.candidates else ("baseline",)))
        if method not in grid.methods:
            yield where, unknown_name("method of this study", method, grid.methods)
        elif merged_settings(config.methods, method, None).get("trainer") == "none":
            yield where, f"must be a method that is trained, got {method}"
    sizes = {method: len(candidates) for method, candidates in choice.candidates.items()}
    for method, size in sizes.items():
        if size != (most := max(sizes.values())):
            yield (*path, "candidates", method), f"has {size} candidates, others have {most}; give it as many"
    for method, candidates in choice.candidates.items():
        for index, changes in enumerate(candidates):
            if changes in candidates[:index]:
                yield (*path, "candidates", method, str(index)), "is in the list already"


def _change_problems(method: str, raw: dict[str, Any], changes: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with changes (path -> value) that are made together to a method's settings.

    The first of each pair is the change that is wrong; it is empty if a setting that is not changed does not
    go with them.
    """
    changed = raw
    for setting, value in changes.items():
        try:
            changed = with_changes(changed, {setting: value})
        except KeyError:
            yield setting, unknown_name(f"setting of {method}", setting, flat(changed))
            return
    try:
        validate_settings(changed)
    except ValidationError as error:
        path, problem = _first_problem(error, raw)
        setting = ".".join(path)
        yield (setting, problem) if setting in changes else ("", f"{method}'s {setting} {problem}")


def _written_in(grid: StudyGrid, method: str, number: int, setting: str, value: Any) -> KeyPath:
    """Where a study has a setting of the method's combination of this number."""
    candidates = grid.choice.candidates.get(method) if grid.choice else None
    if candidates and (not setting or setting in candidates[number]):
        return "choice", "candidates", method, str(number), *filter(None, [setting])
    if setting in grid.vary and not grid.choice:
        return "vary", setting, str(grid.vary[setting].index(value))
    return ("fix", setting) if setting in grid.fix else ()


def _first_problem(error: ValidationError, content: Any) -> tuple[KeyPath, str]:
    """Path and problem of the first error: our validators' message, otherwise pydantic's."""
    first = error.errors()[0]
    path = _as_written(first["loc"], content, missing=first["type"] == "missing")
    if first["type"] == "value_error":  # our validators raise `path.of.the.setting: what is wrong`
        setting, problem = str(first["ctx"]["error"]).split(": ", 1)
        return (*path, *setting.split(".")), problem
    if first["type"].startswith("union_tag"):
        problem = "Field required" if first["type"] == "union_tag_not_found" else first["msg"]
        return (*path, first["ctx"]["discriminator"].strip("'")), problem
    if first["type"] == "missing":
        return path, first["msg"]
    return path, f"{first['msg']}, got {first['input']!r:.100}"


def _as_written(location: tuple[int | str, ...], content: Any, *, missing: bool) -> KeyPath:
    """An error's location without the names that pydantic adds for the members of a union.

    missing: the last step is a key that the content lacks.
    """
    path: list[str] = []
    tagged = False
    for number, step in enumerate(location, start=1):
        if isinstance(content, Mapping):
            # A source of kind `prompts` also has a key `prompts`: the tag comes first.
            tagged = not tagged and step in (content.get("kind"), content.get("trainer"))
            is_key = not tagged and (step in content or (missing and number == len(location)))
            content = content.get(step) if is_key else content
        else:
            is_key = isinstance(content, list) and isinstance(step, int)
            content = content[step] if is_key else content
        if is_key:
            path.append(str(step))
    return tuple(path)


def _located(path: KeyPath, problem: str, document: Document) -> str:
    place = document.place_of(path)
    dotted = ".".join(path)
    return f"{place}: {dotted}: {problem}" if place else f"{dotted}: {problem}"
