"""Write the reference of config.yaml from its models: a JSON schema for editors, and a page with all keys.

.venv/bin/python workflow_scripts/document_config.py     writes docs/config.schema.json and docs/config.md
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from othink_mr1.artefacts.atomic_files import write_text
from othink_mr1.config.methods import BESIDE_SETTINGS, MethodSettings
from othink_mr1.config.strict import NO_EFFECT, ConfigModel
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import run_entry_point

PAGE = """# All keys of config.yaml

This page and [config.schema.json](config.schema.json) were written by `.venv/bin/python
workflow_scripts/document_config.py` from the models in `workflow_scripts/othink_mr1/config/`. Values, their
sources and reasons are in [config.yaml](../config.yaml); what a change reruns is in [reruns.md](reruns.md).

**In an editor** with yaml-language-server (VS Code: the extension YAML of Red Hat) this first line of
config.yaml, or of an overlay in the same folder, completes keys and marks misspelt ones; in `studies/` and
`mini/` the path begins with `../`:

```yaml
# yaml-language-server: $schema=docs/config.schema.json
```

The schema requires no key, so that it fits overlays and inheriting methods too, and it knows no references
between entries. `make what-if` and Snakemake check everything, before anything runs.

`<name>` is a name of your choice: lower case letters, digits, `-` and `_`, at most 40. In brackets: only for
this `kind` or `trainer`. Default `–`: must be written, or inherited. In identities: whether a value that is
not the default gives a new name to what is made with it; `choice of runs`: it changes which runs there are,
not what a run is. `methods.<name>` also has `inherits`, the name of another method, and `by_task`:
task → settings that differ there.

| key | type and range | default | in identities | what it means |
|---|---|---|---|---|
"""

# Keys, with all below them, that are outside the identities, or only say which runs there are.
_IDENTITIES = {
    "results": "no",
    "execution": "no",
    "exhibits": "no",
    "studies": "choice of runs",
    "seeds": "choice of runs",
    "backbone": "choice of runs",
    "tasks.<name>.variant_of": "choice of runs",
    "methods.<name>.backbone": "choice of runs",
    "methods.<name>.trained_on": "no",
}


class Row(NamedTuple):
    """A key's line in the table, without its path."""

    type: str
    default: str
    identities: str
    meaning: str


def schema() -> dict[str, Any]:
    """The JSON schema of config.yaml and of overlays: no key is required."""
    loose = _loosened(_complete())
    for name in ("NoTraining", "SFT", "GRPO"):
        beside = {"inherits": {"type": "string"}, "by_task": {"type": "object"}}
        assert set(beside) == set(BESIDE_SETTINGS)
        beside["by_task"]["additionalProperties"] = _methods()
        loose["$defs"][name]["properties"] |= beside
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | loose


def page() -> str:
    """docs/config.md."""
    complete = _complete()
    rows: dict[tuple[str, Row], list[str]] = {}
    for path, kind, row in _rows(complete, complete["$defs"], "", "", "yes"):
        rows.setdefault((path, row), []).append(kind)
    lines = []
    for (path, row), kinds in rows.items():
        only = f" ({', '.join(kinds)})" if kinds != [""] else ""
        cells = " | ".join(cell.replace("|", r"\|").replace("<", "&lt;") for cell in row)
        lines.append(f"| `{path}`{only} | {cells} |\n")
    return PAGE + "".join(lines)


def _methods() -> dict[str, Any]:
    return {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in ("NoTraining", "SFT", "GRPO")]}


def _complete() -> dict[str, Any]:
    """Pydantic's schema, with the settings of methods, and without sources that only the program makes."""
    whole = StudyConfig.model_json_schema()
    settings = TypeAdapter(MethodSettings).json_schema()
    whole["$defs"] |= settings["$defs"]
    (names,) = whole["properties"]["methods"]["patternProperties"]
    whole["properties"]["methods"]["patternProperties"][names] = _methods()
    del whole["$defs"]["PartSource"]
    (sources,) = whole["properties"]["sources"]["patternProperties"].values()
    sources["oneOf"] = [kind for kind in sources["oneOf"] if kind["$ref"] != "#/$defs/PartSource"]
    return whole


def _loosened(node: Any, names: bool = False) -> Any:
    """Nothing required. names: the keys of the node are a model's, not the schema's."""
    if isinstance(node, list):
        return [_loosened(item) for item in node]
    if not isinstance(node, dict):
        return node
    left_out = () if names else ("required", "discriminator", "title")
    return {
        "anyOf" if key == "oneOf" and not names else key: _loosened(item, key in ("properties", "$defs"))
        for key, item in node.items()
        if key not in left_out
    }


def _rows(
    node: dict[str, Any], models: dict[str, Any], path: str, kind: str, identities: str
) -> Iterator[tuple[str, str, Row]]:
    """The keys of a model: path, the kind or trainer that has it, and its row."""
    fields = {model.__name__: model.model_fields for model in _all_models(ConfigModel)}[node["title"]]
    for key, entry in node["properties"].items():
        below = f"{path}.{key}" if path else key
        stated = "no" if NO_EFFECT in fields[key].metadata else _IDENTITIES.get(below, identities)
        inner = entry
        if "patternProperties" in entry:
            (inner,) = entry["patternProperties"].values()
        parts = _models_in(inner, models)
        if not parts:
            default = f"`{json.dumps(entry['default'])}`" if "default" in entry else "–"
            yield below, kind, Row(_type(entry), default, stated, entry.get("description", ""))
            continue
        place = f"{below}.<name>" if inner is not entry else below
        for part in parts:
            own = part["properties"].get("kind", part["properties"].get("trainer", {})).get("const", kind)
            yield from _rows(part, models, place, own if len(parts) > 1 else kind, stated)


def _models_in(entry: dict[str, Any], models: dict[str, Any]) -> list[dict[str, Any]]:
    refs = [entry, *entry.get("oneOf", []), *entry.get("anyOf", [])]
    return [models[part["$ref"].rpartition("/")[2]] for part in refs if "$ref" in part]


def _all_models(base: type[ConfigModel]) -> Iterator[type[ConfigModel]]:
    for model in base.__subclasses__():
        yield model
        yield from _all_models(model)


def _type(entry: dict[str, Any]) -> str:
    """An entry's type and range in words."""
    if "const" in entry:
        return f"`{entry['const']}`"
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    if "anyOf" in entry:
        return " or ".join(_type(part) for part in entry["anyOf"])
    if entry.get("type") == "array":
        count = f" ({entry['minItems']} or more)" if "minItems" in entry else ""
        return f"list{count} of {_type(entry['items'])}"
    if "patternProperties" in entry:
        return f"mapping of names to {' and '.join(map(_type, entry['patternProperties'].values()))}"
    if entry.get("type") == "object":
        inner = entry.get("additionalProperties")
        return f"mapping to {_type(inner)}" if isinstance(inner, dict) else "mapping"
    words = {"string": "text", "integer": "whole number", "boolean": "true or false", None: "any value"}
    said = words.get(entry.get("type"), str(entry.get("type")))
    # The largest fp32 number, which bounds all numbers, says nothing to a reader.
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    limits = [f"{sign} {entry[key]:g}" for key, sign in signs.items() if abs(entry.get(key, 1e38)) < 1e38]
    return " ".join([said, *limits])


def main() -> None:
    docs = Path(__file__).parents[1] / "docs"
    write_text(docs / "config.schema.json", json.dumps(schema(), indent=1, ensure_ascii=False) + "\n")
    write_text(docs / "config.md", page())


if __name__ == "__main__":
    run_entry_point(main)
