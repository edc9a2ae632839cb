"""R1-V's supervised fine-tuning, reproduced exactly: src/open_r1/sft.py at bbbbe3d, lines 103-172.

A historical baseline, not good SFT. The question has no instruction about tags, which GRPO and the evaluation
add, and comes before the image. There is a system message, which neither of them has. The whole dialogue
except the image is learned, including a prompt for one more answer after its end. For a set without
reasoning, such as GeoQA, the answer begins with "None".
"""

from __future__ import annotations

from collections.abc import Sequence

from othink_mr1.data.examples import Example
from othink_mr1.modeling.processor import Qwen2VLProcessor
from othink_mr1.modeling.prompts import Prompt
from othink_mr1.training.supervised import Lesson

SYSTEM_MESSAGE = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The "
    "assistant first thinks about the reasoning process in the mind and then provides the user with the "
    "answer. The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> "
    "tags, respectively, i.e., <think> reasoning process here </think><answer> answer here </answer>"
)


def r1v_dialogue(processor: Qwen2VLProcessor, example: Example) -> str:
    """The example's text: system message, question, image, answer, and a prompt for one more answer."""
    thinking = None if example.reasoning is None else f"<think>{example.reasoning}</think>"
    messages = [
        {"role": "system", "content": [{"type": "text", "text": SYSTEM_MESSAGE}]},
        {"role": "user", "content": [{"type": "text", "text": example.question}, {"type": "image"}]},
        {"role": "assistant", "content": f"{thinking}\n\n<answer> {example.gold} </answer>"},
    ]
    text: str = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return text


def r1v_lessons(processor: Qwen2VLProcessor, prompts: Sequence[Prompt]) -> list[Lesson]:
    """prompts: whole dialogues. The loss is on every token except the first, which nothing predicts, and the
    image's."""
    image = processor.image_token_id
    return [
        Lesson(
            prompt,
            target=[],
            predicted=[
                place for place, token in enumerate(prompt.token_ids.tolist()) if place and token != image
            ],
        )
        for prompt in prompts
    ]
