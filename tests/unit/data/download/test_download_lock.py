"""The lock file: which commit a branch stood for at first."""

import json
import subprocess
import sys

import pytest
from download_runs import FILES, FIRST, SECOND, SET, hub_source

from othink_mr1.artefacts.manifests import MANIFEST, read_manifest
from othink_mr1.plan.download_lock import agree, read_lock


def test_the_first_download_of_a_branch_locks_its_commit(place, hub):
    place.lock.write_text(json.dumps({"dataset/a/b@main": {"commit": "a" * 40}}))
    place.download()
    assert read_lock(place.lock) == {
        "dataset/a/b@main": {"commit": "a" * 40},
        "dataset/owner/set@main": {"commit": hub.commit(SET)},
    }


def test_a_moved_branch_is_an_error_that_says_what_to_write(place, hub):
    old = hub.commit(SET)
    place.download()
    (place.folder / MANIFEST).unlink()
    (place.folder / "notes.json").unlink()
    new = hub.put(SET, FILES | {"notes.json": b"{}"})
    locked = place.lock.read_bytes()
    message = place.fails()
    assert message.startswith(f"dataset/owner/set@main: moved from commit {old} (in ")
    assert "write this commit into config.yaml" in message
    assert f"`revision: {old}` for the data as it was, or `revision: {new}` for the new" in message
    assert place.lock.read_bytes() == locked
    place.download(hub_source(revision=old))
    place.assert_complete()


def test_a_lock_file_that_came_with_a_pull_wins_over_an_interrupted_download(place, hub):
    hub.fail(f"*/resolve/*{SECOND}", status=404)
    place.fails()
    hub.heal()
    files = FILES | {"notes.json": b"{}"}
    new = hub.put(SET, files)
    place.lock.write_text(json.dumps({"dataset/owner/set@main": {"commit": new}}))
    place.download()
    place.assert_complete(files=files)
    assert read_manifest(place.folder)["revision"] == new
    assert hub.asked("GET", f"*/resolve/*{FIRST}") == 1, "the new commit has the same"


@pytest.mark.parametrize(
    "text", ["{", "[]", "[" * 100_000, '{"dataset/a/b@main": "abc"}', '{"dataset/a/b@main": {"commit": 1}}']
)
def test_a_damaged_lock_file_is_one_line(place, hub, text):
    place.lock.write_text(text)
    message = place.fails()
    assert message.startswith(f"{place.lock}: ")
    assert message.endswith("restore it with git, or delete it")
    assert hub.asked() == 0


def test_downloads_at_once_lose_no_entry(tmp_path):
    """Twelve processes, one entry each."""
    code = (
        "import sys; from pathlib import Path; from othink_mr1.plan.download_lock import agree;"
        "agree(Path(sys.argv[1]), sys.argv[2], 'a' * 40)"
    )
    lock = tmp_path / "lock.json"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, lock, f"dataset/a/{number}@main"], env={"PYTHONPATH": path}
        )
        for path in [":".join(sys.path)]
        for number in range(12)
    ]
    assert [each.wait(120) for each in running] == [0] * 12
    assert len(read_lock(lock)) == 12


def test_agreeing_twice_changes_nothing(tmp_path):
    lock = tmp_path / "lock.json"
    agree(lock, "dataset/a/b@main", "a" * 40)
    written = lock.stat().st_mtime_ns
    agree(lock, "dataset/a/b@main", "a" * 40)
    assert lock.stat().st_mtime_ns == written
