"""Downloads from the fake hub: in this process, or by the entry points in processes of their own."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest

from fake_hub import FakeHub
from othink_mr1.artefacts import provenance
from othink_mr1.artefacts.atomic_files import sha256_of
from othink_mr1.artefacts.manifests import MANIFEST, read_manifest
from othink_mr1.config.sources import HubSource
from othink_mr1.data.download.client import Patience
from othink_mr1.data.download.sources import download
from othink_mr1.errors import UserError
from repository import SCRIPTS

SET = "datasets/owner/set"
FIRST = "data/train-00000-of-00002.parquet"
SECOND = "data/train-00001-of-00002.parquet"
FILES = {
    FIRST: b"PAR1" + bytes(range(256)) * 40 + b"PAR1",
    SECOND: b"PAR1" + bytes(range(255, -1, -1)) * 40 + b"PAR1",
    "notes.json": b'{"rows": 2}' * 100,
    "README.md": b"---\nlicense: apache-2.0\n---\n# A set\n",
    "load.py": b"import os",
}
WANTED = [FIRST, SECOND, "notes.json"]
PATTERNS = ["*.parquet", "notes.json"]
QUICK = Patience(attempts=3, first_wait_seconds=0.01)


def hub_source(revision="main", files=PATTERNS, **changes):
    """The fake set's entry in a config."""
    values = {"kind": "hub", "repository": "owner/set", "revision": revision, "files": files}
    return HubSource.model_validate(values | changes)


class Place:
    """A folder to download into, its lock file, and a hub that this process's client talks to."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.monkeypatch = root, monkeypatch
        self.folder, self.lock = root / "results" / "raw", root / "downloads.lock.json"
        self.cache = root / "home" / "hub"
        # Each manifest asks git for the commit, which is slow and no matter here.
        monkeypatch.setattr(provenance, "_commit", lambda: None)
        # The library waits for a second before it asks for the rest of a file.
        monkeypatch.setattr(
            huggingface_hub.file_download, "time", SimpleNamespace(sleep=lambda seconds: None)
        )
        constants = huggingface_hub.constants
        # Other tests may have imported the client before us, who tell it both by its environment.
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(self.cache))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(root / "home" / "token"))

    def use(self, hub: FakeHub) -> None:
        constants = huggingface_hub.constants
        self.monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        self.monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)

    def offline(self, whether: bool = True) -> None:
        self.monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", whether)

    def download(self, source=None, patience: Patience = QUICK) -> None:
        download(source or hub_source(), self.folder, self.lock, patience)

    def fails(self, source=None, patience: Patience = QUICK) -> str:
        """The one line that the download fails with; nothing that could be believed is left."""
        with pytest.raises(UserError) as caught:
            self.download(source, patience)
        assert "\n" not in str(caught.value)
        assert not (self.folder / MANIFEST).exists()
        return str(caught.value)

    def believed(self) -> dict[str, bytes]:
        """The files that stand under their own names."""
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and ".cache" not in path.parts and path.name != MANIFEST
        }

    def assert_complete(self, names=WANTED, files=FILES) -> None:
        """Exactly these files are there, with the hub's content, and the manifest names them."""
        assert self.believed() == {name: files[name] for name in names}
        manifest = read_manifest(self.folder)["files"]
        assert set(manifest) == set(names)
        assert all(manifest[name]["sha256"] == sha256_of(self.folder / name) for name in names)
        assert not (self.folder / ".cache").exists()


def entry_point(script, hub, root, *arguments, popen=False, largest_file=None, **environment):
    """Run an entry point against the hub, quickly impatient; HF_HOME is below `root`.

    largest_file: bytes; the program can write no larger one.
    """
    command = [sys.executable, SCRIPTS / script, *arguments, "--lock", root / "downloads.lock.json"]
    command += ["--attempts", "3", "--first-wait", "0.01"]
    known = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    variables = known | {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(root / "home")} | environment
    if popen:
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=variables)

    def limit():
        if largest_file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    return subprocess.run(
        command, capture_output=True, text=True, timeout=180, env=variables, preexec_fn=limit
    )


def dataset_program(hub, root, source=None, **options):
    """Run download_dataset.py into root/results/raw."""
    written = json.dumps((source or hub_source()).model_dump())
    output = root / "results" / "raw"
    return entry_point("download_dataset.py", hub, root, "--source", written, "--output", output, **options)
