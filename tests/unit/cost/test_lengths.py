"""Image tokens, shapes from files and cards by name."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from othink_mr1.cost.cards import A100, A100_40GB, H100, L40S, RTX_4090, card_of
from othink_mr1.cost.model_shape import PUBLISHED, backbone_shape, shape_of_config
from othink_mr1.cost.set_lengths import image_tokens, set_items, set_lengths
from othink_mr1.data.images import bounded_image
from othink_mr1.errors import UserError
from othink_mr1.plan.folders import backbone_folder
from repository import study
from tiny import Tiny

SMALL = "small_qwen2_vl"


@pytest.mark.parametrize(
    "size", [(28, 28), (30, 100), (56, 56), (112, 112), (98, 70), (480, 320), (640, 480), (1400, 700)]
)
def test_image_tokens_are_the_processors(tiny: Tiny, size: tuple[int, int]) -> None:
    most = study().preparation.max_pixels
    stream = io.BytesIO()
    Image.new("RGB", size).save(stream, "PNG")
    prepared = Image.open(io.BytesIO(bounded_image(stream.getvalue(), most).data))
    grid = tiny.processor.image_processor(prepared)["image_grid_thw"][0]
    assert image_tokens(*size, most) == int(grid[0] * grid[1] * grid[2]) // 4


def test_lengths_of_the_papers_sets() -> None:
    config = study()
    assert (set_lengths(config, "clevr_37k").image, set_lengths(config, "superclevr_test").image) == (
        187,
        391,
    )
    # Whole prompts were counted at 214 to 236.
    assert 214 <= set_lengths(config, "clevr_37k").prompt <= 236


def test_an_unknown_set_has_the_largest_pictures() -> None:
    config = study(sources={"geoqa_8k": {"repository": "someone/else"}})
    assert set_lengths(config, "geoqa_8k").image == 512
    assert "the most allowed" in set_lengths(config, "geoqa_8k").said


def test_a_rendered_sets_picture_is_its_image_size() -> None:
    assert set_lengths(study("mini/study.yaml"), "rendered_scenes").image == 16


def test_a_backbone_of_the_hub_that_is_neither_known_nor_there(tmp_path: Path) -> None:
    other = {"qwen2_vl_2b_instruct": {"repository": "Qwen/Qwen2-VL-72B-Instruct"}}
    config = study(backbones=other, results=str(tmp_path))
    with pytest.raises(UserError, match=r"snakemake download") as error:
        backbone_shape(config, "qwen2_vl_2b_instruct")
    assert "\n" not in str(error.value)
    # Once it is there, its own config.json counts. The older form has the language model's values on top.
    folder = tmp_path / backbone_folder(config, "qwen2_vl_2b_instruct")
    folder.mkdir(parents=True)
    content = {
        "vocab_size": 151936,
        "hidden_size": 1536,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "intermediate_size": 8960,
        "tie_word_embeddings": True,
        "vision_config": {"depth": 32, "embed_dim": 1280, "num_heads": 16, "mlp_ratio": 4},
    }
    (folder / "config.json").write_text(json.dumps(content))
    assert backbone_shape(config, "qwen2_vl_2b_instruct") == PUBLISHED["Qwen/Qwen2-VL-2B-Instruct"]
    (folder / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"config\.json: is no config"):
        backbone_shape(config, "qwen2_vl_2b_instruct")


def test_a_small_backbone_before_it_is_made(tiny: Tiny, tmp_path: Path) -> None:
    config = study("mini/study.yaml", results=str(tmp_path))
    declared = backbone_shape(config, SMALL)
    assert 0.9e6 < declared.parameters < 1e6
    folder = tmp_path / backbone_folder(config, SMALL)
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes((tiny.folder / "config.json").read_bytes())
    assert backbone_shape(config, SMALL) == shape_of_config(tiny.folder / "config.json")


@pytest.mark.parametrize(
    ("gpu_type", "card"),
    [
        ("a100", A100),
        ("nvidia_a100_80gb_pcie", A100),
        ("a100_40gb", A100_40GB),
        ("H100", H100),
        ("nvidia_h100_80gb_hbm3", H100),
        ("l40s", L40S),
        ("nvidia_geforce_rtx_4090", RTX_4090),
        ("v100", None),
        ("a1000", None),
    ],
)
def test_a_card_by_its_slurm_name(gpu_type: str, card: object) -> None:
    assert card_of(gpu_type) == card


@pytest.mark.parametrize(
    ("source", "items"),
    [
        ("superclevr_test", 200),
        ("geoqa_8k", 8030),
        ("geoqa_8k.validation", 101),  # 1.25 % of them are 100.4: as many as have that share
        ("geoqa_8k.rest", 7929),
        ("mine", 10_000),
    ],
)
def test_items_of_a_set(source: str, items: int) -> None:
    mine = {"kind": "hub", "repository": "me/mine", "revision": "main", "files": ["*"]}
    split = {"variant_of": "geometry", "validation": {"share": 0.0125, "seed": 0}}
    assert set_items(study(sources={"mine": mine}, tasks={"split": split}), source) == items
