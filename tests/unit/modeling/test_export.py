"""A checkpoint as a folder to give away: the same bytes or bf16, whole or not at all, never over another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from damage import flip
from safetensors.torch import load_file

import export
from othink_mr1.artefacts.artefact import filling
from othink_mr1.errors import UserError
from othink_mr1.modeling.backbone import load_backbone, save_checkpoint
from othink_mr1.modeling.export import export_checkpoint
from repository import REPOSITORY
from tiny import Tiny


def test_every_file_is_the_checkpoint_s(tiny: Tiny, tmp_path: Path) -> None:
    export_checkpoint(tiny.folder, tmp_path / "given", "# A card\n", bf16=False)
    given = {path.name: path.read_bytes() for path in (tmp_path / "given").iterdir()}
    assert given.pop("README.md") == b"# A card\n"
    assert given == {path.name: path.read_bytes() for path in tiny.folder.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


def test_rounded_weights(tiny: Tiny, tmp_path: Path) -> None:
    export_checkpoint(tiny.folder, tmp_path / "given", "", bf16=True)
    before, after = (load_file(folder / "model.safetensors") for folder in (tiny.folder, tmp_path / "given"))
    assert before.keys() == after.keys()
    for name, weight in after.items():
        assert torch.equal(weight, before[name].to(torch.bfloat16)), name
    model, _ = load_backbone(tmp_path / "given", "cpu")  # with the configuration of a Qwen2-VL
    assert '"dtype": "bfloat16"' in (tmp_path / "given/config.json").read_text()
    assert model.num_parameters() == tiny.model.num_parameters()


def test_a_folder_that_is_there_stays(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="mine: exists already; name a new folder by --output"):
        export_checkpoint(tiny.folder, tmp_path / "mine", "", bf16=False)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    with pytest.raises(UserError, match="nowhere: there is no such folder"):
        export_checkpoint(tiny.folder, tmp_path / "nowhere/model", "", bf16=False)


@pytest.mark.parametrize("output", ["results", "results/mine", "mini/../results/runs/mine"])
def test_nothing_is_written_among_the_results(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the run is looked for, which may not be there."""
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr("sys.argv", ["export.py", "--run", "nothing", "--output", output])
    with pytest.raises(UserError, match="must be outside results, which is the study's"):
        export.main()


@pytest.mark.parametrize("bf16", [False, True])
def test_a_damaged_checkpoint_is_not_given_away(bf16: bool, tiny: Tiny, tmp_path: Path) -> None:
    with filling(tmp_path / "run", {}) as artefact:
        save_checkpoint(tiny.model, tiny.processor, tmp_path / "run/checkpoint")
        artefact.finish()
    flip(tmp_path / "run/checkpoint/model.safetensors")
    with pytest.raises(UserError, match=r"model\.safetensors: its sha256 is not the manifest's"):
        export_checkpoint(tmp_path / "run/checkpoint", tmp_path / "given", "", bf16=bf16)
    assert not (tmp_path / "given").exists()
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".run")} == {"run"}
