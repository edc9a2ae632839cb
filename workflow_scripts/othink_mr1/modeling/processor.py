"""The processor (tokenizer, image processor, chat template) without torchvision.

transformers' AutoProcessor for Qwen2-VL requires a video processor, which requires torchvision. The study has
only images: the class here has no video processor and reads images with Pillow, so it works with
and without torchvision. It must have transformers' class name, which is written into saved checkpoints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from transformers import Qwen2Tokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.processing_utils import ProcessorMixin

from othink_mr1.modeling.tokenizer import END_OF_MESSAGE, END_OF_TEXT


class Qwen2VLProcessor(transformers.Qwen2VLProcessor):
    """transformers' Qwen2VLProcessor without its video part."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None, **kwargs: Any
    ) -> None:
        self.image_token = "<|image_pad|>"
        self.video_token = "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


def new_processor(tokenizer: Qwen2Tokenizer) -> Qwen2VLProcessor:
    """A processor for the small backbone: its tokenizer with Qwen2-VL's image processing."""
    return Qwen2VLProcessor(Qwen2VLImageProcessorPil(), tokenizer, chat_template=tokenizer.chat_template)


def load_processor(folder: Path) -> Qwen2VLProcessor:
    """Read the processor from a checkpoint's folder."""
    processor: Qwen2VLProcessor = Qwen2VLProcessor.from_pretrained(folder, backend="pil")
    return processor


def save_processor(processor: Qwen2VLProcessor, folder: Path) -> None:
    """Write the processor; the image processor also into its own file, for AutoProcessor elsewhere."""
    processor.save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)


def stop_tokens(processor: Qwen2VLProcessor) -> list[int]:
    """The tokens that end a completion: end of message and end of text, as in Qwen2-VL."""
    ids: list[int] = processor.tokenizer.convert_tokens_to_ids([END_OF_MESSAGE, END_OF_TEXT])
    return ids
