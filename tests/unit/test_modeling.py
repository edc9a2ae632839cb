"""The backbone: saving and loading, the tokenizer, prompts, packed rows and decoding."""

from __future__ import annotations

import json

import pytest
import torch
from conftest import QUESTIONS, TEMPLATE, Tiny, picture
from transformers import AutoTokenizer, Qwen2VLForConditionalGeneration

from othink_mr1.errors import UserError
from othink_mr1.modeling.backbone import load_backbone, save_checkpoint
from othink_mr1.modeling.decoding import decode, greedy
from othink_mr1.modeling.processor import stop_tokens
from othink_mr1.modeling.prompts import PromptMaker, fill_template, target_text
from othink_mr1.study.artefacts import finish_folder, start_folder
from othink_mr1.training.log_probabilities import completion_log_probabilities


def plain_inputs(tiny: Tiny, prompt, completion=()):
    """What transformers' own forward takes, unpadded."""
    token_ids = torch.cat([prompt.token_ids, torch.tensor(list(completion), dtype=torch.long)])[None]
    return {
        "input_ids": token_ids,
        "attention_mask": torch.ones_like(token_ids),
        "mm_token_type_ids": (token_ids == tiny.model.config.image_token_id).long(),
        "pixel_values": prompt.pixel_values,
        "image_grid_thw": prompt.image_grid,
    }


def stock_model(tiny: Tiny) -> Qwen2VLForConditionalGeneration:
    """transformers' own model from the folder, without our attention function."""
    return Qwen2VLForConditionalGeneration.from_pretrained(tiny.folder, attn_implementation="sdpa").eval()


def plain_log_probabilities(tiny: Tiny, model, prompt, completion) -> torch.Tensor:
    logits = model(**plain_inputs(tiny, prompt, completion)).logits[0].log_softmax(-1)
    return logits[len(prompt) - 1 : -1].gather(1, torch.tensor(completion)[:, None])[:, 0]


COMPLETIONS = ([70, 71, 72], [80], [60, 61, 62, 63, 64], [65, 66])
OWNERS = (0, 0, 1, 1)


def test_checkpoint_loads_as_it_was_saved(tiny: Tiny, tmp_path) -> None:
    model, processor = load_backbone(tiny.folder, "sdpa", "cpu")
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


def test_missing_weights_are_an_error(tiny: Tiny, tmp_path) -> None:
    from safetensors.torch import load_file, save_file

    save_checkpoint(tiny.model, tiny.processor, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights[
        "model.language_model.norm.weight"
        if "model.language_model.norm.weight" in weights
        else "model.norm.weight"
    ]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lack .*norm\.weight"):
        load_backbone(tmp_path, "sdpa", "cpu")


def test_a_backbone_with_a_flipped_byte_is_refused(tiny: Tiny, tmp_path) -> None:
    folder = tmp_path / "backbone"
    start_folder(folder)
    save_checkpoint(tiny.model, tiny.processor, folder)
    finish_folder(folder)
    load_backbone(folder, "sdpa", "cpu")
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors: its sha256 is not the manifest's"):
        load_backbone(folder, "sdpa", "cpu")


def test_no_backbone_is_an_error(tmp_path) -> None:
    with pytest.raises(UserError, match="no backbone here"):
        load_backbone(tmp_path, "sdpa", "cpu")


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
    assert target_text("2 + 1", "3") == "<think>2 + 1</think> <answer> 3 </answer>"
    assert target_text(None, "145°") == "<answer> 145° </answer>"  # never "None"


def test_packed_rows_equal_the_plain_forward(tiny: Tiny, prompts) -> None:
    mine = completion_log_probabilities(tiny.model, prompts, COMPLETIONS, OWNERS)
    stock = stock_model(tiny)
    for row, completion, owner in zip(mine, COMPLETIONS, OWNERS, strict=True):
        plain = plain_log_probabilities(tiny, stock, prompts[owner], completion)
        assert torch.allclose(row[: len(completion)], plain, atol=1e-5)
        assert not row[len(completion) :].any()


@pytest.mark.parametrize("gradient_checkpointing", [False, True])
def test_packed_rows_have_the_plain_gradient(tiny: Tiny, prompts, gradient_checkpointing: bool) -> None:
    weights = torch.tensor([0.3, -1.0, 0.7, 0.2])
    stock = stock_model(tiny)
    sum(
        plain_log_probabilities(tiny, stock, prompts[owner], completion).sum() * weight
        for completion, owner, weight in zip(COMPLETIONS, OWNERS, weights, strict=True)
    ).backward()
    if gradient_checkpointing:
        tiny.model.activation_checkpointing_enable({"use_reentrant": False})
    tiny.model.train()
    mine = completion_log_probabilities(tiny.model, prompts, COMPLETIONS, OWNERS)
    (mine.sum(1) * weights).sum().backward()
    plain_gradients = dict(stock.named_parameters())
    for name, weight in tiny.model.named_parameters():
        plain = plain_gradients[name].grad
        assert (weight.grad - plain).norm() <= 1e-5 * plain.norm() + 1e-7, name


def test_logits_in_chunks_change_nothing(tiny: Tiny, prompts, monkeypatch) -> None:
    def outcome():
        tiny.model.zero_grad()
        values = completion_log_probabilities(tiny.model, prompts, COMPLETIONS, OWNERS, temperature=0.7)
        values.sum().backward()
        return values, tiny.model.lm_head.weight.grad.clone()

    whole, whole_gradient = outcome()
    monkeypatch.setattr("othink_mr1.training.log_probabilities.LOGITS_AT_A_TIME", 3 * 400)
    chunked, chunked_gradient = outcome()
    assert torch.allclose(whole, chunked, atol=1e-6)
    assert torch.allclose(whole_gradient, chunked_gradient, atol=1e-5)


def test_greedy_decoding_equals_generate(tiny: Tiny, prompts) -> None:
    stops = stop_tokens(tiny.processor)
    # Random weights repeat one token; scaled up they wander, and some sequences end early.
    lively = {name: weight * 3 for name, weight in tiny.model.state_dict().items() if "weight" in name}
    tiny.model.load_state_dict(lively, strict=False)
    stock = stock_model(tiny)
    stock.load_state_dict(lively, strict=False)
    more = PromptMaker(tiny.model, tiny.processor).make(
        [picture(items) for items in range(6)], [f"{items} and {QUESTIONS[0]}" for items in range(6)]
    )
    several = [*prompts, *more]
    mine = decode(tiny.model, several, 1, 40, stops, greedy)
    generated = [
        stock.generate(**plain_inputs(tiny, prompt), max_new_tokens=40, do_sample=False)[0, len(prompt) :]
        for prompt in several
    ]
    assert mine == [tokens.tolist() for tokens in generated]
    assert len({tuple(tokens) for tokens in mine}) > 4  # a test on equal answers would see little


def test_decoding_stops_at_stop_tokens_and_drops_the_ended(tiny: Tiny, prompts) -> None:
    end = stop_tokens(tiny.processor)[0]
    lengths = [3, 1, 5, 4]  # by sequence: two prompts, two completions each

    def choose(logits, sequences, step):
        return torch.tensor([end if step == lengths[s] - 1 else 70 + s for s in sequences.tolist()])

    tokens = decode(tiny.model, prompts, 2, 4, stop_tokens(tiny.processor), choose)
    assert tokens == [[70, 70, end], [end], [72, 72, 72, 72], [73, 73, 73, end]]


def test_dropping_ended_sequences_leaves_the_others_alone(tiny: Tiny, prompts) -> None:
    end = stop_tokens(tiny.processor)[0]
    others = (1, 3)  # one of each prompt, so that padding and positions differ
    seen: dict[bool, list[torch.Tensor]] = {True: [], False: []}

    def record(dropping: bool):
        def choose(logits, sequences, step):
            alive = sequences.tolist()
            seen[dropping].append(logits[[alive.index(other) for other in others]])
            return torch.tensor(
                [end if dropping and s not in others and step == 1 else 70 + s for s in alive]
            )

        return choose

    for dropping in (True, False):
        decode(tiny.model, prompts, 2, 6, stop_tokens(tiny.processor), record(dropping))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(seen[True], seen[False], strict=True))
