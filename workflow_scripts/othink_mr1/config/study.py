"""The only definition of config.yaml: its types, ranges and references."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from othink_mr1.config.execution import Execution
from othink_mr1.config.sources import Backbone, PartSource, Source, Validation
from othink_mr1.config.strict import NO_EFFECT, ConfigModel, Count, Folder, Fraction, Name, PromptTemplate
from othink_mr1.config.suggest import unknown_name

# Prompt tokens that are neither the image's nor the question's: the task's text and the chat template.
TEMPLATE_ALLOWANCE = 256
# The chat template's share: roles, the system prompt that Qwen2-VL adds, the marks around the image.
CHAT_TEMPLATE_TOKENS = 64


class Preparation(ConfigModel):
    """How every source is converted to the common schema."""

    max_pixels: Count = Field(description="larger images are shrunk to this many pixels")
    max_prompt_tokens: Count = Field(
        2048,
        gt=TEMPLATE_ALLOWANCE,
        description="a training row is left out, never truncated, if its image's tokens, its question's "
        "UTF-8 bytes (no byte-level tokenizer makes more tokens of them) and 256 for the text around them "
        "exceed this",
    )
    largest_unusable_share: Annotated[Fraction, NO_EFFECT] = Field(
        0.005, description="share of training rows that may be unusable; beyond it the preparation fails"
    )


class Task(ConfigModel):
    """One task: where its examples come from, how they are asked and how answers are scored."""

    train: Name = Field(description="source of the training set")
    test: Name = Field(description="source of the test set")
    train_prompt: PromptTemplate
    test_prompt: PromptTemplate
    scorer: Name = Field(description="module othink_mr1.scoring.<scorer>")
    max_new_tokens: Count = Field(description="longest test answer")
    validation: Validation | None = Field(
        None, description="items of the training set on which settings are chosen; the rest is trained on"
    )
    variant_of: Name | None = Field(
        None,
        description="the parent task: this variant takes all settings that are not given here from it. "
        "Only studies that name the variant test on it. It can be trained on "
        "if its training set is not the parent's; a method's by_task of the parent does not count for it",
    )


def rest_of(source: str) -> str:
    """The name of a training set without its validation items. No name in a config has a dot."""
    return f"{source}.rest"


def validation_of(name: str) -> str:
    """The name of a training set's validation items, or of the task that asks a task's validation items."""
    return f"{name}.validation"


_PARTS: dict[Literal["rest", "validation"], Callable[[str], str]] = {
    "rest": rest_of,
    "validation": validation_of,
}


class Evaluation(ConfigModel):
    """How test answers are generated: greedily, in the same way for every method."""

    precision: Literal["fp32", "bf16"]


class Choice(ConfigModel):
    """Candidates for a method's settings, and how one of them is chosen: by accuracy on validation items.

    All candidates are trained with all seeds. The choice is made when collecting, so no run waits for it.
    """

    candidates: dict[Name, Annotated[list[dict[str, Any]], Field(min_length=2)]] = Field(
        min_length=1, description="method -> settings (path -> value), as many for each of these methods"
    )
    seeds: list[Annotated[int, Field(ge=0)]] = Field(
        min_length=1, description="on which the choice is made; the study's own seeds are others"
    )
    baseline: Name = Field(description="the method with which the others are compared")


class StudyGrid(ConfigModel):
    """A named grid of runs; every exhibit is a view of one or more grids."""

    tasks: list[Name] = Field(min_length=1, description="tasks to train on")
    methods: list[Name] = Field(min_length=1)
    tested_on: Literal["own", "other", "all"] | Annotated[list[Name], Field(min_length=1)] = Field(
        description="test on the task trained on, on the other tasks, on all, or on those of a list"
    )
    backbones: list[Name] = Field([], description="empty: the config's backbone")
    seeds: list[Annotated[int, Field(ge=0)]] = Field([], description="empty: the config's seeds")
    vary: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        {}, description="path into the method's settings -> values; all combinations are run"
    )
    fix: dict[str, Any] = Field({}, description="path into the method's settings -> value")
    curves: bool = Field(False, description="test the checkpoints along the way too")
    choice: Choice | None = Field(None, description="compares methods, each with its best candidate settings")

    def combinations(self, method: str) -> list[dict[str, Any]]:
        """The changes (path -> value) to a method's settings, one for each run of a task and seed."""
        if self.choice is not None:
            return [self.fix | changes for changes in self.choice.candidates.get(method, [{}])]
        varied = itertools.product(*self.vary.values())
        return [self.fix | dict(zip(self.vary, values, strict=True)) for values in varied]


class Exhibits(ConfigModel):
    """How results are shown. No result depends on it."""

    note: str = Field("", description="what a reader should know first, in tables, figures, csv and report")
    proposed: Name = Field("grpo-d", description="the method that the study proposes")
    baselines: list[Name] = Field(
        ["base", "sft", "grpo"], description="the methods of table 1 whose best value is underlined"
    )
    against: Name = Field("sft", description="the method whose answers stand beside the proposed one's")
    cases: Count = Field(1, description="items per pair of tasks in figures 3 and 8")


class StudyConfig(ConfigModel):
    """config.yaml. `methods` is resolved per task by settings.py, because methods inherit."""

    results: Folder = Field(description="results root; may be a link to scratch space")
    backbone: Name
    seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    backbones: dict[Name, Backbone]
    sources: dict[Name, Source]
    preparation: Preparation
    tasks: dict[Name, Task] = Field(min_length=1)
    methods: dict[Name, dict[str, Any]] = Field(min_length=1)
    evaluation: Evaluation
    studies: dict[Name, StudyGrid] = Field(min_length=1)
    exhibits: Annotated[Exhibits, NO_EFFECT] = Exhibits()
    execution: Execution

    @model_validator(mode="before")
    @classmethod
    def _fill_variants(cls, content: Any) -> Any:
        """Fill in missing settings of task variants from their parent tasks."""
        tasks = content.get("tasks") if isinstance(content, dict) else None
        if not isinstance(tasks, dict):
            return content
        own = [name for name, task in tasks.items() if isinstance(task, dict) and not task.get("variant_of")]
        filled = dict(tasks)
        for name, task in tasks.items():
            parent = task.get("variant_of") if isinstance(task, dict) else None
            if parent is not None:
                if not isinstance(parent, str):
                    raise ValueError(f"tasks.{name}.variant_of: must be text, got {parent!r}")
                if parent not in own:
                    raise ValueError(f"tasks.{name}.variant_of: {unknown_name('task', parent, own)}")
                filled[name] = {**tasks[parent], **task}
        return {**content, "tasks": filled}

    @model_validator(mode="after")
    def _split_training_sets(self) -> StudyConfig:
        """Give each task with `validation` the rest of its set, and make the task of its validation items."""
        # Variants last, as they have their parent's settings.
        for name, task in sorted(self.tasks.items(), key=lambda item: item[1].variant_of is not None):
            if task.validation is None:
                continue
            whole = task.train
            for part, of_part in _PARTS.items():
                source = PartSource(kind="part", of=whole, part=part, validation=task.validation)
                if self.sources.setdefault(of_part(whole), source) != source:
                    raise ValueError(
                        f"tasks.{name}.validation: must be that of the other tasks that train on {whole}"
                    )
            parent = task.variant_of or name
            self.tasks[name] = task.model_copy(update={"train": rest_of(whole)})
            # Trained on the parent's set, so that it counts as no task of its own to train on.
            asked = {"test": validation_of(whole), "variant_of": parent, "train": self.tasks[parent].train}
            self.tasks[validation_of(name)] = task.model_copy(update=asked)
        return self

    def whole_set(self, source: str) -> str:
        """The source that is prepared: the source itself, or that of which it is a part."""
        declared = self.sources.get(source)
        return declared.of if isinstance(declared, PartSource) else source

    @property
    def own_tasks(self) -> list[str]:
        """The tasks that are not variants of others."""
        return [name for name, task in self.tasks.items() if task.variant_of is None]

    @property
    def trained_tasks(self) -> list[str]:
        """The tasks that can be trained on, without variants that have their parent's training set."""
        return [
            name
            for name, task in self.tasks.items()
            if task.variant_of is None or self.tasks[task.variant_of].train != task.train
        ]

    # By object identity, as the content has dicts, which cannot be hashed: see per_config.py.
    __hash__ = object.__hash__
