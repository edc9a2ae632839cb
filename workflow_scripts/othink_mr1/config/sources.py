"""Where data and backbones come from: the named entries of `sources:` and `backbones:`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from othink_mr1.config.strict import (
    NO_EFFECT,
    ConfigModel,
    Count,
    Fraction,
    Name,
    NonNegative,
    Positive,
    PromptTemplate,
    Repository,
    Revision,
    Sha256,
)

ColumnName = Annotated[str, Field(min_length=1, max_length=200)]
PartOfPath = Annotated[str, Field(pattern=r"^[\w.-]+$")]


def _without_tilde(path: str) -> str:
    if path.startswith("~"):
        raise PydanticCustomError("tilde", "~ does not stand for your home folder here; write it out")
    return path


class Columns(ConfigModel):
    """Names of a table's columns. The defaults are those of R1-V's training sets."""

    image: ColumnName = Field(
        "image", description="a picture or its path; in an imagefolder the default is file_name"
    )
    question: ColumnName = "problem"
    answer: ColumnName = Field("solution", description="text or a whole number, in <answer> tags or not")
    reasoning: ColumnName | None = Field(None, description="none: `thinking`, if there is such a column")


class TableSource(ConfigModel):
    """What is read of a table with a picture, a question and an answer per row. The forms: docs/data.md."""

    columns: Columns = Columns()
    config: PartOfPath | None = Field(None, description="only files or folders of this name")
    split: PartOfPath | None = Field(
        None, description="only files or folders of this name; none: `train` if there is one"
    )


class HubSource(TableSource):
    """A repository of data on the Hugging Face hub, or files of one."""

    kind: Literal["hub"]
    repository: Repository
    repository_type: Literal["dataset", "model"] = Field(
        "dataset", description="some images are in a repository that the hub lists as a model"
    )
    revision: Revision = Field(description="a commit; `main` while the commit is not known")
    files: list[str] = Field(min_length=1, description="patterns of the files to fetch; nothing else is")


class LocalSource(TableSource):
    """A file or folder of yours. Its identity is its content, whatever its path."""

    kind: Literal["local"]
    path: Annotated[str, NO_EFFECT, AfterValidator(_without_tilde)] = Field(
        pattern=r"^[^\x00-\x1f]+$", description="absolute, or from the repository's root"
    )
    sha256: Sha256 | None = Field(
        None, description="of its rows; none: as in downloads.lock.json (workflow_scripts/lock_local_data.py)"
    )


class UrlSource(ConfigModel):
    """One file on the web, pinned by its sha256. Its address is not part of its identity."""

    kind: Literal["url"]
    base_url: Annotated[str, NO_EFFECT] = Field(
        pattern=r"^https?://[^\s/@]+(/[^\s@]*)?$",
        description="may be a mirror's; no password",
    )
    path: Annotated[str, NO_EFFECT] = Field(
        pattern=r"^[^\s/?#][^\s?#]*[^\s/?#]$", description="below base_url"
    )
    sha256: Sha256

    @property
    def url(self) -> str:
        return f"{self.base_url.rstrip('/')}/{self.path}"


class PromptsSource(ConfigModel):
    """A test set in R1-V's format: a jsonl of prompts, and the images in a separate source."""

    kind: Literal["prompts"]
    prompts: Name = Field(description="the source that holds the jsonl")
    images: Name = Field(
        description="the source that holds the images, as files, in zip or tar archives, or in parquet"
    )
    expect_rows: Annotated[Count, NO_EFFECT] = Field(
        description="rows of the test set; another number is an error"
    )


class RenderedSource(ConfigModel):
    """A set that the workflow draws itself, in the raw format of the real ones."""

    kind: Literal["rendered"]
    renderer: Literal["scenes", "geometry"]
    split: Literal["backbone", "train", "held_out", "test"]
    style: Literal["clevr", "superclevr", "mixed"] = Field("mixed", description="scenes only")
    kinds: list[str] = Field([], description="geometry only: the relations to draw; empty means all")
    counts: list[Annotated[int, Field(ge=3, le=10)]] = Field(
        [], description="scenes only: the numbers of objects, equally frequent; empty means 3 to 10"
    )
    items: Count
    seed: Annotated[int, Field(ge=0)]
    image_size: Annotated[int, Field(ge=28, le=1024)] = Field(112, description="pixels, width = height")
    angle_step: Annotated[int, Field(ge=1, le=45)] = Field(5, description="degrees; givens are multiples")
    reasoning: bool = Field(description="whether the set has reasoning text (`thinking`)")
    estimates: Fraction = Field(
        0.0, description="share of items whose text estimates the answer (the backbone's sets)"
    )

    @model_validator(mode="after")
    def _only_the_backbone_estimates(self) -> RenderedSource:
        if self.estimates > 0 and self.split != "backbone":
            raise ValueError(f"estimates: must be 0 in split {self.split}, whose golds are true")
        return self


class Validation(ConfigModel):
    """Which items of a training set are not trained on, so that settings can be chosen on them."""

    share: Annotated[Positive, Field(lt=1)] = Field(description="of the items; at least one item")
    seed: Annotated[int, Field(ge=0)]


class PartSource(ConfigModel):
    """A part of a prepared training set. A task with `validation` makes two of these; no config has them."""

    kind: Literal["part"]
    of: Name = Field(description="the source of the whole set")
    part: Literal["rest", "validation"]
    validation: Validation


Source = Annotated[
    HubSource | LocalSource | UrlSource | PromptsSource | RenderedSource | PartSource,
    Field(discriminator="kind"),
]


class HubBackbone(ConfigModel):
    """A Qwen2-VL checkpoint on the Hugging Face hub."""

    kind: Literal["hub"]
    repository: Repository
    revision: Revision


class LocalBackbone(ConfigModel):
    """A Qwen2-VL checkpoint in a folder of yours: config.json, safetensors, tokenizer and processor."""

    kind: Literal["local"]
    path: Annotated[str, NO_EFFECT, AfterValidator(_without_tilde)] = Field(
        pattern=r"^[^\x00-\x1f]+$", description="absolute, or from the repository's root"
    )
    sha256: Sha256 | None = Field(
        None,
        description="of its files; none: as in downloads.lock.json (workflow_scripts/lock_local_data.py)",
    )


class PretrainingShare(ConfigModel):
    """One of the small backbone's own sources, with the prompt around its questions."""

    source: Name
    prompt: PromptTemplate
    share: Positive = Field(
        description="relative to the other shares: how often a batch's example is from here"
    )
    untagged: Fraction = Field(
        0.0,
        description="share of texts without <think> and <answer> tags, so that the format has to be learned",
    )


class SmallBackbone(ConfigModel):
    """A small Qwen2-VL that the workflow pretrains: the miniature's counterpart of the instruct model.

    Its tokenizer and weights are made from their own sources and seeds, separate from the tasks' sets.
    """

    kind: Literal["pretrained"]
    pretraining: dict[Name, PretrainingShare] = Field(min_length=1)
    vocabulary_size: Annotated[int, Field(ge=300, le=32000)]
    hidden_size: Count
    layers: Count
    heads: Count
    key_value_heads: Count
    vision_hidden_size: Count
    vision_layers: Count
    vision_heads: Count
    steps: Count
    batch_size: Count
    learning_rate: Positive
    warmup_fraction: Fraction
    weight_decay: NonNegative
    seed: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _heads_divide(self) -> SmallBackbone:
        if self.hidden_size % self.heads:
            raise ValueError(f"heads: must divide hidden_size ({self.hidden_size}), got {self.heads}")
        if self.heads % self.key_value_heads:
            raise ValueError(f"key_value_heads: must divide heads ({self.heads}), got {self.key_value_heads}")
        if self.vision_hidden_size % self.vision_heads:
            raise ValueError(
                f"vision_heads: must divide vision_hidden_size ({self.vision_hidden_size}), "
                f"got {self.vision_heads}"
            )
        # Rotary embeddings take pairs: of a text's position, and of a picture's row and of its column.
        if self.hidden_size // self.heads % 2:
            raise ValueError(
                f"heads: must leave each an even part of hidden_size ({self.hidden_size}), got {self.heads}"
            )
        if self.vision_hidden_size // self.vision_heads % 4:
            raise ValueError(
                f"vision_heads: must leave each a multiple of 4 of vision_hidden_size "
                f"({self.vision_hidden_size}), got {self.vision_heads}"
            )
        return self


Backbone = Annotated[HubBackbone | LocalBackbone | SmallBackbone, Field(discriminator="kind")]
