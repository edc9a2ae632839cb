"""The backbone: saving and loading, the tokenizer, prompts."""

from __future__ import annotations

import io
import json

import pytest
import torch
from damage import flip
from PIL import Image
from plain_path import plain_inputs
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoTokenizer

from othink_mr1.artefacts.artefact import write_manifest
from othink_mr1.errors import UserError
from othink_mr1.modeling.backbone import load_backbone, save_checkpoint
from othink_mr1.modeling.prompts import PromptMaker, fill_template, target_text
from tiny import QUESTIONS, TEMPLATE, Tiny, picture


def test_checkpoint_loads_as_it_was_saved(tiny: Tiny, tmp_path) -> None:
    model, processor = load_backbone(tiny.folder, "cpu")
    for name, weight in tiny.model.state_dict().items():
        assert torch.equal(weight, model.state_dict()[name]), name
    save_checkpoint(model, processor, tmp_path / "again")
    first = (tiny.folder / "model.safetensors").read_bytes()
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == first
    config = json.loads((tmp_path / "again" / "config.json").read_text())
    assert config["architectures"] == ["Qwen2VLForConditionalGeneration"]
    assert "packed" not in json.dumps(config)


def test_checkpoint_is_readable_by_auto_classes(tiny: Tiny) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny.folder)
    assert type(tokenizer).__name__ == "Qwen2Tokenizer"
    text = "angle A = 145° <think>Row by row: 2 1.</think>"
    assert tokenizer(text).input_ids == tiny.processor.tokenizer(text).input_ids
    assert json.loads((tiny.folder / "preprocessor_config.json").read_text())["patch_size"] == 14


def test_a_bf16_checkpoint_is_half_as_large_and_loads_as_rounded_fp32(tiny: Tiny, tmp_path) -> None:
    before = {name: weight.clone() for name, weight in tiny.model.state_dict().items()}
    save_checkpoint(tiny.model, tiny.processor, tmp_path, "bf16")
    for name, weight in tiny.model.state_dict().items():
        assert torch.equal(weight, before[name]), name  # what is trained further has not been rounded
    assert tiny.model.config.dtype == "float32"
    halves, wholes = (load_file(folder / "model.safetensors") for folder in (tmp_path, tiny.folder))
    assert halves.keys() == wholes.keys()  # tied weights are written once
    assert {weight.dtype for weight in halves.values()} == {torch.bfloat16}
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "bfloat16"
    model, _ = load_backbone(tmp_path, "cpu")
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name].bfloat16().float()), name
    assert any(not torch.equal(model.state_dict()[name], before[name]) for name in before)


def test_a_bf16_checkpoint_is_readable_by_auto_classes(tiny: Tiny, tmp_path) -> None:
    save_checkpoint(tiny.model, tiny.processor, tmp_path, "bf16")
    model = AutoModelForImageTextToText.from_pretrained(tmp_path, dtype="auto")
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, tiny.model.state_dict()[name].bfloat16()), name


def test_a_weight_that_bf16_cannot_hold_is_not_saved(tiny: Tiny, tmp_path) -> None:
    name, weight = next(iter(tiny.model.named_parameters()))
    with torch.no_grad():
        weight.view(-1)[5] = torch.finfo(torch.float32).max  # rounds to infinity
    save_checkpoint(tiny.model, tiny.processor, tmp_path / "fp32")
    with pytest.raises(UserError, match=f"not saved, {name} holds nan or infinite"):
        save_checkpoint(tiny.model, tiny.processor, tmp_path / "bf16", "bf16")
    assert not (tmp_path / "bf16").exists()


def test_missing_weights_are_an_error(tiny: Tiny, tmp_path) -> None:
    save_checkpoint(tiny.model, tiny.processor, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights[next(name for name in weights if name.endswith("model.norm.weight"))]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lack .*norm\.weight"):
        load_backbone(tmp_path, "cpu")


def test_a_backbone_with_a_flipped_byte_is_refused(tiny: Tiny, tmp_path) -> None:
    folder = tmp_path / "backbone"
    save_checkpoint(tiny.model, tiny.processor, folder)
    write_manifest(folder)
    load_backbone(folder, "cpu")
    flip(folder / "model.safetensors", -1)
    with pytest.raises(UserError, match=r"model\.safetensors: its sha256 is not the manifest's"):
        load_backbone(folder, "cpu")


def test_no_backbone_is_an_error(tmp_path) -> None:
    with pytest.raises(UserError, match="no checkpoint here"):
        load_backbone(tmp_path, "cpu")


def test_tokenizer_keeps_digits_apart_and_text_whole(tiny: Tiny) -> None:
    tokenizer = tiny.processor.tokenizer
    assert tokenizer.tokenize("145") == ["1", "4", "5"]
    text = "∠A = 145°, naïve 8√{3}\n\n x"
    assert tokenizer.decode(tokenizer(text).input_ids) == text
    assert len(tokenizer) == tiny.model.config.text_config.vocab_size


def test_prompt_reads_image_first_then_text(tiny: Tiny, prompts) -> None:
    text = tiny.processor.tokenizer.decode(prompts[0].token_ids)
    assert text == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>"
        + "<|image_pad|>" * 4
        + f"<|vision_end|>{TEMPLATE.replace('{question}', QUESTIONS[0])}<|im_end|>\n<|im_start|>assistant\n"
    )
    assert (prompts[1].token_ids == tiny.model.config.image_token_id).sum() == 12  # 112 x 84 pixels


def test_a_prompt_is_what_the_processor_makes(tiny: Tiny) -> None:
    """Also where the picture is resized."""
    images = [picture(3, *size) for size in ((56, 56), (100, 75), (31, 300), (9, 40))]
    dialogues = [f"<|vision_start|><|image_pad|><|vision_end|> {'so ' * n}" for n in range(len(images))]
    made = PromptMaker(tiny.model, tiny.processor).make_of_dialogues(images, dialogues)
    opened = [Image.open(io.BytesIO(image)) for image in images]
    expected = tiny.processor(text=dialogues, images=opened)
    assert [prompt.token_ids.tolist() for prompt in made] == expected["input_ids"]
    assert torch.equal(torch.cat([p.pixel_values for p in made]), torch.tensor(expected["pixel_values"]))
    assert torch.cat([prompt.image_grid for prompt in made]).tolist() == expected["image_grid_thw"].tolist()


def test_prompt_positions_are_those_of_generate(tiny: Tiny, prompts) -> None:
    for prompt in prompts:
        inputs = plain_inputs(tiny, prompt, [70, 71])
        positions, _ = tiny.model.model.get_rope_index(
            inputs["input_ids"], inputs["mm_token_type_ids"], inputs["image_grid_thw"]
        )
        assert torch.equal(positions[:, 0, : len(prompt)], prompt.positions)
        assert positions[:, 0, -2:].tolist() == [[prompt.next_position, prompt.next_position + 1]] * 3


def test_template_takes_braces(tiny: Tiny) -> None:
    assert fill_template("{question} go", r"\frac{1}{2}") == r"\frac{1}{2} go"


def test_target_texts() -> None:
    assert target_text("2 + 1", "3") == "<think>2 + 1</think>\n\n<answer> 3 </answer>"
    assert target_text(None, "145°") == "<answer> 145° </answer>"  # never "None"
