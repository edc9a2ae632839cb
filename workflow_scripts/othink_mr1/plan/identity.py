"""Identity: the digest of everything that determines a result, and nothing else.

Payloads are plain JSON values taken from the typed models, so that `1` and `1.0` agree and the order of
keys does not matter. A setting with its default value is left out (strict.py's models give a default
only to settings that were added later), so that a new setting changes no digest.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel

from othink_mr1.config.sources import (
    HubBackbone,
    LocalBackbone,
    LocalSource,
    PartSource,
    PromptsSource,
    RenderedSource,
    TableSource,
)
from othink_mr1.config.strict import NO_EFFECT
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.plan import versions
from othink_mr1.plan.download_lock import LOCK_FILE, local_key, read_lock
from othink_mr1.plan.per_config import per_config

DIGEST_LENGTH = 10  # hex digits; 5,000 runs collide with probability 1e-5


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no whitespace, floats as Python writes them."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(payload: Any) -> str:
    """The first hex digits of the sha256 of the payload's canonical JSON."""
    return hashlib.sha256(canonical(payload).encode()).hexdigest()[:DIGEST_LENGTH]


def written(model: BaseModel) -> dict[str, Any]:
    """The model's values, except defaults and fields marked NO_EFFECT."""
    without = {name for name, field in type(model).model_fields.items() if NO_EFFECT in field.metadata}
    values: dict[str, Any] = model.model_dump(mode="json", exclude_defaults=True, exclude=without)
    return values


def raw_identity(config: StudyConfig, name: str) -> dict[str, Any]:
    """What determines the bytes of a source, as written in the config, whatever is read of them."""
    source = config.sources[name]
    if isinstance(source, PromptsSource):
        parts = {"prompts": source.prompts, "images": source.images}
        return written(source) | {part: raw_identity(config, name) for part, name in parts.items()}
    if isinstance(source, LocalSource):
        return {"kind": "local", "sha256": local_content(config, name)}
    if isinstance(source, RenderedSource):
        return written(source) | {"rendering": versions.RENDERING}
    return {key: value for key, value in written(source).items() if key not in TableSource.model_fields}


@per_config
def local_content(config: StudyConfig, name: str, among: str = "sources") -> str:
    """The sha256 of a local source's rows, or of a backbone's files, by the config or the lock file.

    among: `sources` or `backbones`. UserError if neither has it.
    """
    source = getattr(config, among)[name]
    assert isinstance(source, LocalSource | LocalBackbone)
    locked = read_lock(LOCK_FILE).get(local_key(source), {}).get("sha256")
    if source.sha256 is None and locked is None:
        raise UserError(
            f"{among}.{name}: nobody has looked yet at what {source.path} contains; run `.venv/bin/python "
            "workflow_scripts/lock_local_data.py` once (with your --overlay files), which writes it into "
            f"{LOCK_FILE}, or give it its sha256"
        )
    return source.sha256 or str(locked)


def check_local_sources(config: StudyConfig) -> None:
    """UserError if the content of a local source or backbone is not known."""
    for among in ("sources", "backbones"):
        for name, declared in getattr(config, among).items():
            if isinstance(declared, LocalSource | LocalBackbone):
                local_content(config, name, among)


@per_config
def data_identity(config: StudyConfig, name: str) -> dict[str, Any]:
    """What determines a prepared set."""
    source = config.sources[name]
    if isinstance(source, PartSource):
        part = {"part": source.part, "validation": written(source.validation), "version": versions.SPLIT}
        return data_identity(config, source.of) | {"split": part}
    read = written(source)
    choice = {key: read[key] for key in TableSource.model_fields if key in read}
    return {
        "source": raw_identity(config, name) | ({"table": choice} if choice else {}),
        "preparation": written(config.preparation),
        "version": versions.PREPARATION,
    }


@per_config
def backbone_identity(config: StudyConfig, name: str) -> dict[str, Any]:
    """What determines a backbone's weights, tokenizer and processor."""
    backbone = config.backbones[name]
    if isinstance(backbone, HubBackbone):
        return written(backbone)
    if isinstance(backbone, LocalBackbone):
        return {"kind": "local", "sha256": local_content(config, name, "backbones")}
    shares = {}
    for share_name, share in backbone.pretraining.items():
        values = written(share)
        del values["source"]  # a name
        shares[share_name] = values | {"data": data_identity(config, share.source)}
    return written(backbone) | {"pretraining": shares, "version": versions.PRETRAINING}


def generation_identity(config: StudyConfig, task: str) -> dict[str, Any]:
    """What, apart from the checkpoint, determines the answers on a task's test set."""
    declared = config.tasks[task]
    return {
        "data": data_identity(config, declared.test),
        "prompt": declared.test_prompt,
        "max_new_tokens": declared.max_new_tokens,
        "evaluation": written(config.evaluation),
        "version": versions.GENERATION,
    }
