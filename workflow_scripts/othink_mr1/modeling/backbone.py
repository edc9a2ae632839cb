"""Loading and saving a Qwen2-VL: the 2B model and the small one go through the same code.

A backbone folder holds config.json, safetensors weights, the tokenizer and the processor. A run's
checkpoint is such a folder too, so that it loads like a backbone, here and with transformers' Auto classes.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.errors import UserError
from othink_mr1.modeling.own_kernels import use_own_kernels
from othink_mr1.modeling.processor import Qwen2VLProcessor, load_processor, save_processor
from othink_mr1.study.artefacts import MANIFEST, verify_folder


def load_backbone(
    folder: Path, attention: str, device: str
) -> tuple[Qwen2VLForConditionalGeneration, Qwen2VLProcessor]:
    """Load model (fp32 weights, evaluation mode) and processor.

    attention: `sdpa`, `eager` or `flash_attention_2`: the kernel of the vision tower; the language model's
    is ours (packed_attention.py).
    Raises UserError when the folder is no backbone, or not what its manifest says.
    """
    if not (folder / "config.json").exists():
        raise UserError(f"{folder}: no backbone here (no config.json); run the rule that makes it")
    # A backbone has a manifest; a run's checkpoint is a folder within the run, which has one.
    if (folder / MANIFEST).exists():
        verify_folder(folder)
    model, report = Qwen2VLForConditionalGeneration.from_pretrained(
        folder,
        dtype=torch.float32,
        attn_implementation=attention,
        output_loading_info=True,
        use_safetensors=True,  # never a pickle
        local_files_only=True,
    )
    # A weight that was not in the file is random; transformers only prints that.
    absent = sorted(report["missing_keys"])
    if absent:
        raise UserError(f"{folder}: the weights lack {absent[0]} (and {len(absent) - 1} more); make it again")
    use_own_kernels(model)
    return model.to(device).eval(), load_processor(folder)


def save_checkpoint(
    model: Qwen2VLForConditionalGeneration, processor: Qwen2VLProcessor, folder: Path
) -> None:
    """Write weights (safetensors), config, tokenizer and processor into folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    save_processor(processor, folder)
