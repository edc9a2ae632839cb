"""Answer questions by a folder of export.py with transformers alone: nothing of this repository is imported.

python tests/answer_by_transformers.py FOLDER QUESTIONS.jsonl     prints a JSON list of completions

A line of the file: {"image": path, "text": the prompt with the question, "tokens": the most to generate}.
Where torchvision is missing, AutoProcessor must say so; the inputs are then made by its two parts.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

PAD = "<|image_pad|>"


def inputs_with_torchvision(folder: str) -> Any:
    processor = AutoProcessor.from_pretrained(folder)
    processor.image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil")

    def make(image: Image.Image, messages: list[Any]) -> Any:
        dialogue = processor.apply_chat_template(messages, add_generation_prompt=True)
        return processor(text=[dialogue], images=[image], return_tensors="pt")

    return make, processor.tokenizer


def inputs_without(folder: str) -> Any:
    try:
        AutoProcessor.from_pretrained(folder)
    except ImportError as error:
        if "Torchvision" not in str(error):
            raise
    else:
        raise SystemExit("AutoProcessor does not miss torchvision")
    pictures = AutoImageProcessor.from_pretrained(folder, backend="pil")
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def make(image: Image.Image, messages: list[Any]) -> Any:
        shown = pictures([image], return_tensors="pt")
        dialogue = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        patches = int(shown["image_grid_thw"].prod()) // pictures.merge_size**2
        shown |= tokenizer([dialogue.replace(PAD, PAD * patches)], return_tensors="pt")
        shown["mm_token_type_ids"] = (shown["input_ids"] == tokenizer.convert_tokens_to_ids(PAD)).int()
        return shown

    return make, tokenizer


def main() -> None:
    folder, questions = sys.argv[1:]
    found = importlib.util.find_spec("torchvision") is not None
    make, tokenizer = (inputs_with_torchvision if found else inputs_without)(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    completions = []
    for line in Path(questions).read_text(encoding="utf-8").splitlines():
        asked = json.loads(line)
        content = [{"type": "image"}, {"type": "text", "text": asked["text"]}]
        inputs = make(Image.open(asked["image"]).convert("RGB"), [{"role": "user", "content": content}])
        tokens = model.generate(**inputs, do_sample=False, max_new_tokens=asked["tokens"])
        completion = tokens[0, inputs["input_ids"].shape[1] :]
        completions.append(tokenizer.decode(completion, skip_special_tokens=True))
    print(json.dumps(completions))


if __name__ == "__main__":
    main()
