"""Evaluation as transformers' `generate` does it: batches in the given order, padded on the left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessorList

from benchmarks.speed.backbone import load_stock
from benchmarks.speed.forced_lengths import ForcedLengths
from benchmarks.speed.phases import PhaseClock
from benchmarks.speed.workload import EvaluationWorkload, decoded, dialogue
from othink_mr1.modeling.processor import load_processor, stop_tokens


class PlainGenerate:
    """Greedy answers by `generate`."""

    def __init__(self, backbone: Path) -> None:
        self._model: Any = load_stock(backbone)
        self._processor = load_processor(backbone)

    def answer(self, workload: EvaluationWorkload, clock: PhaseClock) -> list[str]:
        """Answers of forced lengths, in the questions' order."""
        tokenizer = self._processor.tokenizer
        stop = stop_tokens(self._processor)[0]
        special = list(tokenizer.added_tokens_decoder)
        config = GenerationConfig(
            max_new_tokens=workload.shape.longest_answer,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=stop,
        )
        answers: list[str] = []
        size = workload.shape.batch_size
        for start in range(0, len(workload.images), size):
            part = slice(start, start + size)
            inputs = self._processor(
                text=[dialogue(self._processor, text) for text in workload.texts[part]],
                images=decoded(workload.images[part]),
                return_tensors="pt",
                padding=True,
                padding_side="left",
            )
            with clock.phase("generation"), torch.no_grad():
                sequences = self._model.generate(
                    **inputs,
                    generation_config=config,
                    logits_processor=LogitsProcessorList(
                        [ForcedLengths(workload.lengths[part], stop, special)]
                    ),
                )
            answers += tokenizer.batch_decode(
                sequences[:, inputs["input_ids"].shape[1] :],
                skip_special_tokens=True,
                clean_up_tokenization_spaces=False,
            )
        return answers
