"""Load and check the study's config; every mistake ends in one line that says what, where and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from othink_mr1.errors import UserError
from othink_mr1.study.config import CHAT_TEMPLATE_TOKENS, TEMPLATE_ALLOWANCE, StudyConfig
from othink_mr1.study.methods import GRPO, SFT, NoTraining
from othink_mr1.study.read_yaml import Document, KeyPath, read_documents
from othink_mr1.study.settings import flat, merged_settings, validate_settings, with_changes, written_at
from othink_mr1.study.sources import HubSource, PromptsSource, RenderedSource, UrlSource
from othink_mr1.study.strict import Folder, PromptTemplate
from othink_mr1.study.suggest import unknown_name

# What a pydantic error type means to a user. {…} are filled from the error's context.
_ALLOWED = {
    "missing": "missing; it has no default",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_short": "must have at least {min_length} entry",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must match {pattern}",
    "literal_error": "must be one of {expected}",
    "union_tag_invalid": "must be one of {expected_tags}",
}

# Exhibits that are no study: `results/<name>.csv` is theirs.
RESERVED_EXHIBITS = ("runs", "reward_curves", "claims", "leaks", "scorer_audit", "table1")

# What a pattern means to a user.
_PATTERNS = {
    get_args(PromptTemplate)[1].metadata[0].pattern: "must hold {question} once, and no other braces",
    get_args(Folder)[1].metadata[0].pattern: "must be a folder, of letters, digits and . _ - / @ + = alone",
}


def load_study(files: list[Path], overrides: Mapping[str, Any] | None = None) -> StudyConfig:
    """Read, merge and check config files: the study, its overlays and --config's overrides, in this order.

    Raises UserError naming file, line, key, value and what is allowed.
    """
    return checked_study(read_documents(files, overrides))


def checked_study(document: Document) -> StudyConfig:
    """The study of a document. UserError as load_study."""
    try:
        config = StudyConfig.model_validate(document.content)
    except ValidationError as error:
        path, problem = _first_problem(error, document.content, (StudyConfig,))
        raise UserError(_located(path, problem, document)) from None
    for path, problem in _problems(config):
        raise UserError(_located(path, problem, document))
    return config


def _problems(config: StudyConfig) -> Iterator[tuple[KeyPath, str]]:
    """References between entries, methods' settings and grids, in the order of the file."""
    yield from _references(config)
    yield from _method_problems(config)
    for name in config.studies:
        yield from _grid_problems(config, name)


def _references(config: StudyConfig) -> Iterator[tuple[KeyPath, str]]:
    if config.backbone not in config.backbones:
        yield ("backbone",), unknown_name("backbone", config.backbone, config.backbones)
    for name, source in config.sources.items():
        if isinstance(source, PromptsSource):
            for key, kinds in (("prompts", (HubSource, UrlSource)), ("images", (HubSource, UrlSource))):
                yield from _source_reference(config, ("sources", name, key), getattr(source, key), kinds)
    for name, backbone in config.backbones.items():
        for share_name, share in getattr(backbone, "pretraining", {}).items():
            path = ("backbones", name, "pretraining", share_name, "source")
            yield from _source_reference(config, path, share.source, (RenderedSource, HubSource))
    for name, task in config.tasks.items():
        yield from _source_reference(
            config, ("tasks", name, "train"), task.train, (RenderedSource, HubSource)
        )
        yield from _source_reference(
            config, ("tasks", name, "test"), task.test, (RenderedSource, PromptsSource)
        )
        for key, split in (("train", "train"), ("test", "test")):
            source = config.sources[getattr(task, key)]
            if isinstance(source, RenderedSource) and source.split != split:
                yield (
                    ("tasks", name, key),
                    f"must be a source whose split is {split}; {getattr(task, key)} is split {source.split}",
                )
        # The preparation's limit of prompts allows so much for the text around the question.
        around = len(task.train_prompt.replace("{question}", "").encode()) + CHAT_TEMPLATE_TOKENS
        if around > TEMPLATE_ALLOWANCE:
            longest = TEMPLATE_ALLOWANCE - CHAT_TEMPLATE_TOKENS
            yield ("tasks", name, "train_prompt"), f"must have at most {longest} bytes around the question"
    for name, grid in config.studies.items():
        if name in RESERVED_EXHIBITS:
            yield ("studies", name), f"must not be {', '.join(RESERVED_EXHIBITS)}: these name other exhibits"
        for key, known in (
            ("tasks", config.trained_tasks),
            ("methods", config.methods),
            ("backbones", config.backbones),
            ("tested_on", config.tasks),
        ):
            entries = getattr(grid, key)
            for index, entry in enumerate(entries if isinstance(entries, list) else []):
                if entry not in known:
                    yield (
                        ("studies", name, key, str(index)),
                        unknown_name("task" if key == "tested_on" else key[:-1], entry, known),
                    )


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
            yield ("methods", method, "by_task"), f"must be a mapping of tasks to settings, got {by_task!r}"
            continue
        for task, own in by_task.items():
            path = ("methods", method, "by_task", task)
            if task not in config.trained_tasks:
                yield path, unknown_name("task", task, config.trained_tasks)
            if not isinstance(own, dict):
                yield path, f"must be a mapping of settings to values, got {own!r}"
    for method in config.methods:
        for task in config.trained_tasks:
            try:
                raw = merged_settings(config.methods, method, task)
                validate_settings(raw)
            except UserError as error:
                path_text, problem = str(error).split(": ", 1)
                yield tuple(path_text.split(".")), problem
            except ValidationError as error:
                setting, problem = _first_problem(error, raw, (NoTraining, SFT, GRPO))
                yield (
                    written_at(config.methods, method, task, setting),
                    f"{problem} (method {method}, task {task})",
                )


def _grid_problems(config: StudyConfig, name: str) -> Iterator[tuple[KeyPath, str]]:
    grid = config.studies[name]
    for method in grid.methods:
        for task in grid.tasks:
            raw = validate_settings(merged_settings(config.methods, method, task)).model_dump()
            if raw["trainer"] == "none":
                continue
            for key, changes in (("fix", {p: [v] for p, v in grid.fix.items()}), ("vary", grid.vary)):
                for setting, values in changes.items():
                    path = ("studies", name, key, setting)
                    for index, value in enumerate(values):
                        where = path if key == "fix" else (*path, str(index))
                        try:
                            validate_settings(with_changes(raw, {setting: value}))
                        except KeyError:
                            yield path, unknown_name(f"setting of {method}", setting, flat(raw))
                        except ValidationError as error:
                            yield where, _first_problem(error, raw, (NoTraining, SFT, GRPO))[1]


def _first_problem(
    error: ValidationError, content: Mapping[str, Any], models: tuple[type[BaseModel], ...]
) -> tuple[KeyPath, str]:
    """Path and problem of the error to report: an unknown key before the missing one it was meant to be."""
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    kind, context = first["type"], first.get("ctx", {})
    path = _as_written(first["loc"], content, keep_last=kind in ("missing", "extra_forbidden"))
    if kind == "extra_forbidden":
        return path, unknown_name("key", path[-1], _known_keys(content, models, path))
    if kind == "value_error":  # raised by a validator as `path.of.the.setting: what is wrong`
        setting, problem = str(context["error"]).split(": ", 1)
        return (*path, *setting.split(".")), problem
    if kind.startswith("union_tag"):
        tag = context["discriminator"].strip("'")
        if kind == "union_tag_not_found":
            return (*path, tag), _ALLOWED["missing"]
        return (*path, tag), f"{_ALLOWED[kind].format(**context)}, got {context['tag']!r}"
    if kind == "string_pattern_mismatch":
        allowed = _PATTERNS.get(context["pattern"], _ALLOWED[kind].format(**context))
        return path, f"{allowed}, got {first['input']!r}"
    allowed = _ALLOWED[kind].format(**context) if kind in _ALLOWED else first["msg"]
    silent = kind in ("missing", "too_short", "string_too_short")  # what was given says nothing more
    return path, allowed if silent else f"{allowed}, got {first['input']!r}"


def _known_keys(content: Mapping[str, Any], models: tuple[type[BaseModel], ...], path: KeyPath) -> list[str]:
    """The keys of the model that refused one: followed through the model fields along the path."""
    candidates: list[type[BaseModel]] = list(models)
    trainer = content.get("trainer")
    if trainer is not None:
        candidates = [model for model in candidates if _tag(model, "trainer") == trainer]
    for step in path[:-1]:
        following: list[type[BaseModel]] = []
        for model in candidates:
            field = model.model_fields.get(step) if hasattr(model, "model_fields") else None
            if field is not None:
                following.extend(_models_in(field.annotation))
        candidates = following or candidates
        content = content.get(step, {}) if isinstance(content, Mapping) else {}
        if isinstance(content, Mapping) and "kind" in content:
            candidates = [m for m in candidates if _tag(m, "kind") in (None, content["kind"])]
    keys = [key for model in candidates for key in model.model_fields]
    return sorted(set(keys) | ({"inherits", "by_task"} if trainer is not None and len(path) == 1 else set()))


def _tag(model: type[BaseModel], field: str) -> str | None:
    if field not in model.model_fields:
        return None
    return str(get_args(model.model_fields[field].annotation)[0])


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _as_written(location: tuple[Any, ...], content: Any, *, keep_last: bool) -> KeyPath:
    """The error's location as written: without the names pydantic adds for the members of a union.

    keep_last: the last step is a key although the content has no such key (it is missing).
    """
    path: list[str] = []
    tag_passed = False
    for index, step in enumerate(location):
        if isinstance(content, Mapping):
            # A source of kind `prompts` has a key of that name too: the tag comes first.
            if not tag_passed and step in (content.get("kind"), content.get("trainer")):
                tag_passed = True
                continue
            tag_passed = False
            if step not in content and not (keep_last and index == len(location) - 1):
                continue  # a union's tag, not a key
            content = content.get(step)
        elif isinstance(content, list) and isinstance(step, int):
            content = content[step] if step < len(content) else None
        else:
            continue
        path.append(str(step))
    return tuple(path)


def _located(path: KeyPath, problem: str, document: Document) -> str:
    place = document.place_of(path)
    dotted = ".".join(path)
    return f"{place}: {dotted}: {problem}" if place else f"{dotted}: {problem}"
