"""Small versions of the paper's repositories: their real layout and column names, rows from the renderer.

A fake hub serves them, so that config.yaml and the rules can be tested unchanged.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from othink_mr1.config.sources import RenderedSource, SmallBackbone
from othink_mr1.data.rendering.render_source import render_source

ITEMS = 16
PROMPTS = "Deep-Agent/R1-V/bbbbe3dc1ea6a74ce31c118c1722b1ee73e372ba/src/eval/prompts"
PROMPT_FILES = {
    "r1v_geoqa_prompts": f"{PROMPTS}/geoqa_test_prompts.jsonl",
    "r1v_superclevr_prompts": f"{PROMPTS}/superclevr_test200_counting_problems.jsonl",
}
BACKBONE = "Qwen/Qwen2-VL-2B-Instruct"


@dataclass
class RealLayout:
    """Files by repository, and the prompt files by their path on the web."""

    datasets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    models: dict[str, dict[str, bytes]] = field(default_factory=dict)
    web: dict[str, bytes] = field(default_factory=dict)

    def served(self) -> dict[str, dict[str, bytes]]:
        """The content of a fake hub."""
        return {
            **{f"datasets/{name}": files for name, files in self.datasets.items()},
            **{f"models/{name}": files for name, files in self.models.items()},
            "raw": self.web,
        }

    def prompt_sources(self, base_url: str) -> dict[str, dict[str, str]]:
        """An overlay's entries for the two prompt files: where they are served, and their sha256."""
        return {
            name: {"base_url": base_url, "sha256": hashlib.sha256(self.web[path]).hexdigest()}
            for name, path in PROMPT_FILES.items()
        }


def make_real_layout(folder: Path) -> RealLayout:
    """Render small sets below folder, and arrange their files as in the real repositories."""
    layout = RealLayout()
    card = b"---\nlicense: apache-2.0\n---\n# rows made by a renderer\n"
    for repository, renderer, reasoning in (
        ("leonardPKU/GEOQA_R1V_Train_8K", "geometry", False),
        ("MMInstruction/Clevr_CoGenT_TrainA_R1", "scenes", True),
    ):
        raw = _rendered(folder / renderer / "train", renderer, "train", reasoning)
        (table,) = raw.rglob("*.parquet")
        layout.datasets[repository] = {
            "data/train-00000-of-00001.parquet": table.read_bytes(),
            "README.md": card,
            ".gitattributes": b"*.parquet filter=lfs\n",
        }
    geometry = _rendered(folder / "geometry" / "test", "geometry", "test", False)
    layout.datasets["Luckyjhg/Geo170K"] = {
        "images.zip": (geometry / "images.zip").read_bytes(),
        "qa_tuning.json": b"[]",
    }
    layout.web[PROMPT_FILES["r1v_geoqa_prompts"]] = (geometry / "prompts.jsonl").read_bytes()
    scenes = _rendered(folder / "scenes" / "test", "scenes", "test", False)
    layout.datasets["tobiaslee/Super_clevr200"] = {"subsplit.tgz": _as_tgz(scenes / "images.zip")}
    layout.models["leonardPKU/superclevr"] = {"images.zip": (scenes / "images.zip").read_bytes()}
    layout.web[PROMPT_FILES["r1v_superclevr_prompts"]] = (scenes / "prompts.jsonl").read_bytes()
    layout.models[BACKBONE] = _backbone(folder / "backbone") | {"README.md": card}
    return layout


def _rendered(folder: Path, renderer: str, split: str, reasoning: bool) -> Path:
    source = {"kind": "rendered", "renderer": renderer, "split": split, "items": ITEMS, "image_size": 56}
    seed = {"train": 1, "test": 2}[split]
    render_source(RenderedSource.model_validate(source | {"reasoning": reasoning, "seed": seed}), folder)
    return folder


def _as_tgz(archive: Path) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(archive) as images, tarfile.open(fileobj=stream, mode="w:gz") as packed:
        for name in images.namelist():
            member = tarfile.TarInfo(f"subsplit/{Path(name).name}")
            data = images.read(name)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def _backbone(folder: Path) -> dict[str, bytes]:
    """A real Qwen2-VL of a few thousand weights; also a pickle and code, which must not be downloaded."""
    from othink_mr1.modeling.backbone import save_checkpoint
    from othink_mr1.modeling.processor import new_processor
    from othink_mr1.modeling.small_backbone import new_small_backbone
    from othink_mr1.modeling.tokenizer import train_tokenizer

    texts = ["How many items are there? <think> 1 2 3 </think> <answer> 45° </answer>"] * 3
    share = {"source": "any", "prompt": "{question}", "share": 1.0}
    settings = SmallBackbone.model_validate(
        {
            "kind": "pretrained",
            "pretraining": {"any": share},
            "vocabulary_size": 300,
            "hidden_size": 32,
            "layers": 1,
            "heads": 2,
            "key_value_heads": 1,
            "vision_hidden_size": 32,
            "vision_layers": 1,
            "vision_heads": 2,
            "steps": 1,
            "batch_size": 1,
            "learning_rate": 1e-3,
            "warmup_fraction": 0.0,
            "weight_decay": 0.0,
            "seed": 1,
        }
    )
    tokenizer = train_tokenizer(texts, 300)
    save_checkpoint(new_small_backbone(settings, tokenizer), new_processor(tokenizer), folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return files | {"pytorch_model.bin": b"a pickle", "modeling_qwen2_vl.py": b"raise SystemExit"}
