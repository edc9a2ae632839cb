"""What is no checkpoint of a Qwen2-VL: one line that says what is wrong, wherever a folder is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from othink_mr1.data.checkpoint_files import require_checkpoint
from othink_mr1.data.local_backbone import backbone_content
from othink_mr1.errors import UserError
from othink_mr1.modeling.backbone import load_backbone
from tiny import Tiny

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"


@pytest.fixture
def theirs(tiny: Tiny, tmp_path: Path) -> Path:
    folder = tmp_path / "theirs"
    shutil.copytree(tiny.folder, folder, ignore=shutil.ignore_patterns("manifest.json"))
    return folder


def without(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names] and None


def writing(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def cut(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-10])


def of_another_kind(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text()) | {"model_type": "qwen2_5_vl"}
    (folder / "config.json").write_text(json.dumps(config))


def quantised(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "awq"}}))


def only_pickled(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")


def sharded(shards: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / WEIGHTS).rename(folder / "model-00001-of-00002.safetensors")
        (folder / INDEX).write_text(json.dumps({"weight_map": shards}))

    return change


FIRST = "model-00001-of-00002.safetensors"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n"
CASES = {
    "no config": (without("config.json"), r"no checkpoint here \(no config\.json\)"),
    "config is no JSON": (writing("config.json", b"{"), r"config\.json: cannot be read as JSON"),
    "config is empty": (writing("config.json", b"{}"), "is of a None; only qwen2_vl can be used here"),
    "config is a list": (writing("config.json", b"[]"), r"config\.json: must be a JSON object"),
    "another model": (of_another_kind, "is of a qwen2_5_vl; only qwen2_vl can be used here"),
    "quantised weights": (quantised, "is quantised; use the checkpoint that it was made from"),
    "no weights": (without(WEIGHTS), r"has no weights \(model\.safetensors"),
    "pickled weights": (only_pickled, r"has no weights .*; no pickle is read"),
    "cut weights": (cut, r"model\.safetensors: is damaged \("),
    "empty weights": (writing(WEIGHTS, b""), r"model\.safetensors: is damaged \("),
    "a pointer to weights": (writing(WEIGHTS, POINTER), r"model\.safetensors: is damaged \("),
    "a missing shard": (
        sharded({"a": FIRST, "b": "model-00002-of-00002.safetensors"}),
        r"lacks model-00002-of-00002\.safetensors, a part of the weights",
    ),
    "a shard elsewhere": (sharded({"a": "../x.safetensors"}), "lists no weights"),
    "no shards": (sharded([]), "lists no weights"),
    "no tokenizer": (without("tokenizer.json"), r"has no tokenizer \(tokenizer\.json\); copy tokenizer and"),
    "an empty tokenizer": (writing("tokenizer.json", b"{}"), r"tokenizer\.json: is no tokenizer"),
    "no image processor": (
        without("preprocessor_config.json", "processor_config.json"),
        r"has no image processor \(preprocessor_config\.json or processor_config\.json\)",
    ),
    "no chat template": (without("chat_template.jinja"), r"has no chat template \(chat_template\.jinja or"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_one_line_wherever_a_folder_is_read(case: str, theirs: Path) -> None:
    change, message = CASES[case]
    require_checkpoint(theirs)
    change(theirs)
    for read in (require_checkpoint, backbone_content):
        with pytest.raises(UserError, match=message) as error:
            read(theirs)
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=message):
        load_backbone(theirs, "cpu")


def test_shards_and_an_earlier_chat_template_are_taken(theirs: Path) -> None:
    sharded({"a": FIRST})(theirs)
    template = (theirs / "chat_template.jinja").read_text()
    (theirs / "chat_template.jinja").unlink()
    tokenizer = json.loads((theirs / "tokenizer_config.json").read_text())
    (theirs / "tokenizer_config.json").write_text(json.dumps(tokenizer | {"chat_template": template}))
    require_checkpoint(theirs)


def test_a_tokenizer_of_older_files(theirs: Path) -> None:
    (theirs / "tokenizer.json").rename(theirs / "vocab.json")
    (theirs / "merges.txt").touch()
    config = json.loads((theirs / "tokenizer_config.json").read_text())
    config.pop("added_tokens_decoder", None)
    for more, is_taken in (({}, False), ({"added_tokens_decoder": {}}, True)):
        (theirs / "tokenizer_config.json").write_text(json.dumps(config | more))
        if is_taken:
            require_checkpoint(theirs)
        else:
            with pytest.raises(UserError, match="has no tokenizer"):
                require_checkpoint(theirs)


def test_a_weight_of_another_shape(theirs: Path) -> None:
    weights = load_file(theirs / WEIGHTS)
    name = "model.norm.weight"
    weights[name] = weights[name][:-1].clone()
    save_file(weights, theirs / WEIGHTS, {"format": "pt"})
    with pytest.raises(
        UserError, match=r"norm\.weight has the shape \(63,\), and config\.json asks for \(64,\)"
    ):
        load_backbone(theirs, "cpu")
