"""Loading and saving a Qwen2-VL: the same code for the 2B model and the small one.

A backbone folder has config.json, safetensors weights, the tokenizer and the processor. A run's
checkpoint is such a folder too, so it loads like a backbone, here and with transformers' Auto classes.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.artefacts.atomic_files import give_usual_mode, sha256_of
from othink_mr1.artefacts.verification import (
    contents_digest,
    is_artefact,
    verify_folder,
    verify_part,
    visible_files,
)
from othink_mr1.data.checkpoint_files import require_checkpoint
from othink_mr1.errors import UserError, rust_disk_errors
from othink_mr1.modeling.finite import first_not_finite
from othink_mr1.modeling.own_kernels import use_own_kernels
from othink_mr1.modeling.processor import Qwen2VLProcessor, load_processor, save_processor


def load_backbone(folder: Path, device: str) -> tuple[Qwen2VLForConditionalGeneration, Qwen2VLProcessor]:
    """Load model (fp32 weights, evaluation mode, our kernels) and processor.

    Raises UserError if the folder is not a backbone, or does not match its manifest.
    """
    require_checkpoint(folder)
    verify_weights(folder)
    model, report = Qwen2VLForConditionalGeneration.from_pretrained(
        folder,
        dtype=torch.float32,
        attn_implementation="sdpa",
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # reported, and refused below
        use_safetensors=True,  # never a pickle
        local_files_only=True,
    )
    # A weight that is missing in the file gets random values; transformers only prints a warning.
    absent = sorted(report["missing_keys"])
    if absent:
        raise UserError(f"{folder}: the weights lack {absent[0]} (and {len(absent) - 1} more); make it again")
    if report["mismatched_keys"]:
        name, there, needed = min(report["mismatched_keys"])
        raise UserError(
            f"{folder}: {name} has the shape {tuple(there)}, and config.json asks for {tuple(needed)}; the "
            "files are not of one model"
        )
    if (name := first_not_finite(dict(model.named_parameters()))) is not None:
        raise UserError(
            f"{folder}: {name} holds nan or infinite numbers, as of a training that diverged; delete what "
            "trained it, and train with a lower learning_rate"
        )
    use_own_kernels(model)
    return model.to(device).eval(), load_processor(folder)


def verify_weights(folder: Path) -> str:
    """Compare a backbone's or a checkpoint's folder with its manifest; returns one digest for its files.

    A backbone has its own manifest; a run's checkpoint is listed in the manifest of the run. A folder outside
    artefact folders is the user's own, and is only read. UserError if a file does not match the manifest.
    """
    if is_artefact(folder):
        entries = verify_folder(folder)["files"]
        return contents_digest({name: entry["sha256"] for name, entry in entries.items()})
    if is_artefact(folder.parent):
        return contents_digest(verify_part(folder.parent, folder.name))
    return contents_digest(
        {path.relative_to(folder).as_posix(): sha256_of(path) for path in visible_files(folder)}
    )


def save_checkpoint(
    model: Qwen2VLForConditionalGeneration,
    processor: Qwen2VLProcessor,
    folder: Path,
    precision: str = "fp32",
    weights: dict[str, Tensor] | None = None,
) -> None:
    """Write weights (safetensors), config, tokenizer and processor into folder.

    precision: `fp32`, as the weights are; or `bf16`: the file's weights are rounded, the model's are not.
    weights: in place of the model's own, of which it may have only a part.
    UserError, and nothing is written, if a weight is nan or infinite. OSError if the disk fails.
    """
    if precision == "bf16":
        weights = _rounded(weights or model.state_dict())
    if (name := first_not_finite(weights or dict(model.named_parameters()))) is not None:
        raise UserError(f"{folder}: not saved, {name} holds nan or infinite numbers")
    folder.mkdir(parents=True, exist_ok=True)
    with rust_disk_errors(SafetensorError, folder):
        model.save_pretrained(folder, state_dict=weights)
    if precision == "bf16":
        # save_pretrained writes the model's own type.
        config = copy.deepcopy(model.config)
        config.dtype = torch.bfloat16
        config.save_pretrained(folder)
    for file in folder.glob("*.safetensors"):
        give_usual_mode(file)
    save_processor(processor, folder)


def _rounded(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights in bf16, in host memory. Tied weights stay one tensor, which is written once."""
    rounded: dict[int, Tensor] = {}
    for weight in weights.values():
        if weight.data_ptr() not in rounded:
            rounded[weight.data_ptr()] = weight.to(torch.bfloat16).cpu()
    return {name: rounded[weight.data_ptr()] for name, weight in weights.items()}
