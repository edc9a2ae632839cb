"""Checkpoints from a folder: which files, their content, their copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.artefacts.verification import verify_folder
from othink_mr1.data.local_backbone import backbone_content, backbone_files, import_backbone
from othink_mr1.errors import UserError
from othink_mr1.modeling.backbone import load_backbone, verify_weights
from tiny import Tiny


@pytest.fixture
def theirs(tiny: Tiny, tmp_path: Path) -> Path:
    """A checkpoint as others save it, with files that are not its own."""
    folder = tmp_path / "theirs"
    shutil.copytree(tiny.folder, folder, ignore=shutil.ignore_patterns("manifest.json"))
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling_custom.py").write_text("raise SystemExit")
    (folder / ".hidden.json").write_text("{}")
    (folder / "runs").mkdir()
    return folder


def test_it_is_copied_verified_and_loads(theirs: Path, tmp_path: Path) -> None:
    sha256 = backbone_content(theirs)
    import_backbone(theirs, sha256, tmp_path / "out")
    verify_folder(tmp_path / "out")
    assert set(read_manifest(tmp_path / "out")["files"]) == {path.name for path in backbone_files(theirs)}
    assert not {"pytorch_model.bin", "modeling_custom.py", ".hidden.json"} & {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert verify_weights(tmp_path / "out") == sha256
    load_backbone(tmp_path / "out", "cpu")
    shutil.rmtree(theirs)
    import_backbone(theirs, sha256, tmp_path / "out")  # complete: nothing is read


def test_other_files_are_refused(theirs: Path, tmp_path: Path) -> None:
    sha256 = backbone_content(theirs)
    (theirs / "config.json").write_text((theirs / "config.json").read_text() + " ")
    assert backbone_content(theirs) != sha256
    with pytest.raises(UserError, match=f"its files have sha256 {backbone_content(theirs)}, not {sha256}"):
        import_backbone(theirs, sha256, tmp_path / "out")
    assert not (tmp_path / "out/manifest.json").exists()


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such folder; correct the path"):
        backbone_files(tmp_path / "gone")
