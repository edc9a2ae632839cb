"""Prompts: one example's image and text as the model's input tensors, made once per example.

The dialogue is a single user message, first the image and then the text, and the start of the
assistant's message. We add no system message; Qwen2-VL's chat template inserts its default one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import torch
from PIL import Image
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.processor import Qwen2VLProcessor


@dataclass(frozen=True)
class Prompt:
    """One prompt, on the CPU."""

    token_ids: Tensor  # [tokens], already with one <|image_pad|> per image patch group
    pixel_values: Tensor  # [patches, values of a patch]
    image_grid: Tensor  # [1, 3]: time, height, width of the image in patches
    positions: Tensor  # [3, tokens]: rotary positions (time, height, width)
    next_position: int  # the position of the first completion token, on all three axes
    # [image tokens, hidden]; precomputed if the vision tower is frozen
    image_features: Tensor | None = None

    def __len__(self) -> int:
        return len(self.token_ids)


class PromptMaker:
    """Turns images and questions into prompts. Several threads may use it at once."""

    def __init__(self, model: Qwen2VLForConditionalGeneration, processor: Qwen2VLProcessor) -> None:
        self._model = model
        self._processor = processor
        self._image_token = processor.tokenizer.convert_tokens_to_ids(processor.image_token)
        # The first call turns off what the tokenizer's file says of padding and truncation. No other thread
        # may use the tokenizer then; later calls change nothing.
        processor.tokenizer([""])

    def make(self, images: Sequence[bytes], texts: Sequence[str]) -> list[Prompt]:
        """images: encoded files (PNG, JPEG); texts: the filled-in prompt templates, one per image."""
        return self.make_of_dialogues(images, [self._dialogue(text) for text in texts])

    def make_of_dialogues(self, images: Sequence[bytes], dialogues: Sequence[str]) -> list[Prompt]:
        """The same for dialogues to which the chat template was already applied, one image in each.

        What the processor would make. Half of its time goes into checks of its arguments' types, so its two
        parts are called here.
        """
        pictures = self._processor.image_processor
        made = pictures(images=[Image.open(BytesIO(image)).convert("RGB") for image in images])
        grids = torch.as_tensor(made["image_grid_thw"])  # [images, 3]
        patches = grids.prod(dim=1).tolist()
        pixel_values = torch.as_tensor(made["pixel_values"]).split(patches)
        image_token = self._processor.image_token
        texts = [
            dialogue.replace(image_token, image_token * (count // pictures.merge_size**2))
            for dialogue, count in zip(dialogues, patches, strict=True)
        ]
        return [
            self._prompt(torch.tensor(token_ids), pixels, grid[None])
            for token_ids, pixels, grid in zip(
                self._processor.tokenizer(texts)["input_ids"], pixel_values, grids, strict=True
            )
        ]

    def tokens(self, image: bytes, text: str) -> int:
        """The length of the prompt that `make` makes, found without decoding the picture."""
        with Image.open(BytesIO(image)) as opened:
            width, height = opened.size
        pictures = self._processor.image_processor
        patches = pictures.get_number_of_image_patches(height, width)
        words = self._processor.tokenizer(self._dialogue(text))["input_ids"]
        return len(words) - 1 + int(patches) // pictures.merge_size**2  # the picture's tokens replace one

    def _dialogue(self, text: str) -> str:
        message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}
        dialogue: str = self._processor.apply_chat_template(
            [message], tokenize=False, add_generation_prompt=True
        )
        return dialogue

    def _prompt(self, token_ids: Tensor, pixel_values: Tensor, grid: Tensor) -> Prompt:
        is_image = (token_ids == self._image_token).long()
        positions, _ = self._model.model.get_rope_index(
            token_ids[None], mm_token_type_ids=is_image[None], image_grid_thw=grid
        )  # [3, 1, tokens]
        return Prompt(
            token_ids=token_ids,
            pixel_values=pixel_values,
            image_grid=grid,
            positions=positions[:, 0],
            next_position=int(positions.max()) + 1,
        )


def fill_template(template: str, question: str) -> str:
    """Put the question into a prompt template of the config (str.format would fail on LaTeX braces)."""
    return template.replace("{question}", question)


def target_text(reasoning: str | None, gold: str) -> str:
    """The text that SFT teaches: the reasoning if there is one, then the answer in its tags.

    Two newlines between them, as in R1-V (sft.py, line 137).
    """
    answer = f"<answer> {gold} </answer>"
    return answer if reasoning is None else f"<think>{reasoning}</think>\n\n{answer}"
