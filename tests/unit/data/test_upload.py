"""Pushing a folder to the hub: one commit of all files, private, and nothing there is overwritten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.utils._http import default_client_factory

from fake_hub import FakeHub
from othink_mr1.data.upload import push_model, require_pushable
from othink_mr1.errors import UserError

FILES = {"README.md": b"# A model\n", "config.json": b"{}", "model.safetensors": bytes(range(256)) * 9}


@pytest.fixture(autouse=True)
def _the_library_s_own_client() -> None:
    """As in a program that only pushes: another test's download leaves its client behind."""
    huggingface_hub.set_client_factory(default_client_factory)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with FakeHub({"models/owner/taken": {"config.json": b"{}"}}, token="of-the-test").start() as hub:
        monkeypatch.setenv("HF_TOKEN", "of-the-test")
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.endpoint)
        template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield hub


@pytest.fixture
def model(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / "model" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "model" / name).write_bytes(content)
    return tmp_path / "model"


def test_one_commit_has_all_files(hub: FakeHub, model: Path) -> None:
    said = push_model(model, "owner/new", "Add a run")
    commit = hub.commits["models/owner/new"][hub.commit("models/owner/new")]
    assert said == f"{hub.endpoint}/owner/new/commit/{commit.sha}"
    assert {name: file.read() for name, file in commit.files.items() if name in FILES} == FILES
    assert hub.private["models/owner/new"]
    assert hub.asked("POST", "*/commit/main") == 1
    # What was pushed is what a client gets.
    fetched = huggingface_hub.hf_hub_download("owner/new", "model.safetensors", local_dir=model / "got")
    assert Path(fetched).read_bytes() == FILES["model.safetensors"]


def test_a_second_attempt_after_a_failed_one(hub: FakeHub, model: Path) -> None:
    hub.fail("*/commit/main", method="POST", times=1, status=400)
    said = rf"owner/new: the hub answers 400; try again later; .*hf upload --private owner/new {model} \."
    with pytest.raises(UserError, match=said):
        push_model(model, "owner/new", "Add a run")
    assert push_model(model, "owner/new", "Add a run").startswith(hub.endpoint)


def test_a_large_file_that_does_not_arrive(hub: FakeHub, model: Path) -> None:
    hub.fail("/lfs-objects/*", method="PUT", status=403)
    with pytest.raises(UserError, match=r"owner/new: Error while uploading 'model\.safetensors'.*403"):
        push_model(model, "owner/new", "Add a run")
    assert set(hub.commits["models/owner/new"][hub.commit("models/owner/new")].files) == {".gitattributes"}


def test_files_that_are_there_stay(hub: FakeHub, model: Path) -> None:
    before = hub.commit("models/owner/taken")
    with pytest.raises(UserError, match=r"owner/taken: has files already, such as config\.json"):
        push_model(model, "owner/taken", "Add a run")
    assert hub.commit("models/owner/taken") == before


def test_a_token_that_may_not_write(hub: FakeHub, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "anothers")
    with pytest.raises(UserError, match="the hub answers 401; set HF_TOKEN to a token that may write there"):
        push_model(model, "owner/new", "Add a run")


@pytest.mark.parametrize("name", ["a/b/c", "alone", "not a name", "owner/"])
def test_a_name_that_the_hub_does_not_take(name: str) -> None:
    with pytest.raises(UserError, match=f"--push {name}: must be OWNER/NAME"):
        require_pushable(name)


def test_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    require_pushable("owner/new")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="--push owner/new: HF_HUB_OFFLINE is set; unset it"):
        require_pushable("owner/new")


def test_no_connection(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "of-the-test")
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="owner/new: the connection failed"):
        push_model(model, "owner/new", "Add a run")
