"""Two steps of TRL's GRPOTrainer on a small Qwen2-VL: `train_by_trl.py BACKBONE OUTPUT`."""

from __future__ import annotations

import sys
from pathlib import Path

import trl
from datasets import Dataset
from PIL import Image
from transformers import Qwen2VLForConditionalGeneration

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow_scripts"))

from othink_mr1.modeling.processor import load_processor


def main() -> None:
    backbone, output = map(Path, sys.argv[1:])
    message = [{"type": "image"}, {"type": "text", "text": "How many?"}]
    prompt = [{"role": "user", "content": message}]
    pictures = (Image.new("RGB", (112, 112), (40 * number, 9, 9)) for number in range(4))
    rows = [{"prompt": prompt, "image": image} for image in pictures]
    trainer = trl.GRPOTrainer(
        model=Qwen2VLForConditionalGeneration.from_pretrained(backbone),
        reward_funcs=lambda prompts, completions, **_: [float(n % 3) for n in range(len(completions))],
        args=trl.GRPOConfig(
            output_dir=str(output),
            max_steps=2,
            num_generations=4,
            per_device_train_batch_size=4,
            max_completion_length=8,
            learning_rate=0.01,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            save_strategy="no",
            report_to=[],
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=load_processor(backbone),
    )
    trainer.train()
    trainer.save_model(str(output))


if __name__ == "__main__":
    main()
