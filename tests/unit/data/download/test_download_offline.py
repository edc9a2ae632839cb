"""HF_HUB_OFFLINE: nobody is asked, what is missing is named; the user's cache is used."""

from pathlib import Path

import huggingface_hub
import pytest
from download_runs import FILES, FIRST, QUICK, SET, hub_source

from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.data.download.client import use_download_client
from othink_mr1.errors import UserError
from othink_mr1.plan.download_lock import agree


def test_offline_with_nothing_says_what_to_do_and_asks_nobody(place, hub):
    place.offline()
    assert place.fails() == (
        "owner/set at main: HF_HUB_OFFLINE is set, and the hub's cache here is not known to have all of "
        "*.parquet, notes.json; run `snakemake download` on a machine with internet and the same results "
        "folder"
    )
    assert hub.asked() == 0


def test_offline_with_some_files_keeps_them(place, hub):
    hub.fail("*/notes.json", status=404)
    place.fails()
    there = place.believed()
    hub.heal()
    asked = hub.asked()
    place.offline()
    assert "HF_HUB_OFFLINE is set" in place.fails()
    assert hub.asked() == asked
    assert place.believed() == there
    place.offline(False)
    place.download()
    place.assert_complete()
    assert hub.asked("GET", f"*/resolve/*{FIRST}") == 1


@pytest.mark.parametrize("revision", ["main", "pinned"])
def test_offline_from_the_users_own_cache(place, hub, revision):
    revision = hub.commit(SET) if revision == "pinned" else revision
    huggingface_hub.snapshot_download(
        "owner/set", repo_type="dataset", revision=revision, cache_dir=place.cache
    )
    hub.requests.clear()
    place.offline()
    place.download(hub_source(revision=revision))
    place.assert_complete()
    assert hub.asked() == 0
    assert read_manifest(place.folder)["revision"] == hub.commit(SET)


def test_what_was_in_the_folder_gives_way_to_the_cache(place, hub):
    hub.fail("*/notes.json", status=404)
    place.fails(hub_source(files=["README.md", "notes.json"]))
    assert "README.md" in place.believed()
    hub.heal()
    huggingface_hub.snapshot_download("owner/set", repo_type="dataset", cache_dir=place.cache)
    elsewhere = place.root / "elsewhere"
    elsewhere.write_bytes(b"mine")
    (place.folder / "notes.json").symlink_to(elsewhere)
    place.offline()
    place.download()
    place.assert_complete()
    assert elsewhere.read_bytes() == b"mine"


def test_the_cache_may_keep_contents_in_its_shared_store(place, hub):
    """Files that come by Xet stand there under Xet's hash, which looks like a sha256."""
    cached = huggingface_hub.hf_hub_download("owner/set", FIRST, repo_type="dataset", cache_dir=place.cache)
    huggingface_hub.snapshot_download("owner/set", repo_type="dataset", cache_dir=place.cache)
    blob = Path(cached).resolve()
    store = place.cache / "blobs" / "ab" / ("ab" * 32)
    store.parent.mkdir(parents=True)
    blob.rename(store)
    blob.symlink_to(store)
    place.offline()
    place.download()
    place.assert_complete()


def test_the_client_itself_refuses_when_offline(place, hub):
    place.offline()
    client = use_download_client("a set", QUICK)
    with pytest.raises(UserError, match=r"^a set: not asked for, as HF_HUB_OFFLINE is set"):
        client.get(f"{hub.endpoint}/raw/a")
    assert hub.asked() == 0


def test_a_locked_commit_is_what_offline_takes_from_the_cache(place, hub):
    old = hub.commit(SET)
    for _ in range(2):
        huggingface_hub.snapshot_download("owner/set", repo_type="dataset", cache_dir=place.cache)
        hub.put(SET, FILES | {"notes.json": b"{}"})
    agree(place.lock, "dataset/owner/set@main", old)
    place.offline()
    place.download()
    place.assert_complete()


def test_an_incomplete_cache_is_not_enough(place, hub):
    huggingface_hub.snapshot_download(
        "owner/set", repo_type="dataset", cache_dir=place.cache, allow_patterns=[FIRST]
    )
    place.offline()
    assert "is not known to have all of *.parquet, notes.json" in place.fails()


@pytest.mark.parametrize("name", [FIRST, "notes.json"])
def test_a_damaged_cache_is_named_and_not_believed(place, hub, name):
    huggingface_hub.snapshot_download("owner/set", repo_type="dataset", cache_dir=place.cache)
    cached = huggingface_hub.try_to_load_from_cache(
        "owner/set", name, repo_type="dataset", cache_dir=place.cache
    )
    Path(cached).write_bytes(FILES[name][:-1] + b"?")
    place.offline()
    assert place.fails().startswith(f"owner/set at main: {cached}: is damaged; run `snakemake download` on")
    assert name not in place.believed()


@pytest.mark.parametrize("damaged", [False, True])
def test_what_the_cache_has_is_not_fetched_but_not_believed_either(place, hub, damaged):
    cached = huggingface_hub.hf_hub_download("owner/set", FIRST, repo_type="dataset", cache_dir=place.cache)
    if damaged:
        with open(cached, "r+b") as stream:
            stream.write(b"XXXX")
    hub.requests.clear()
    place.download()
    place.assert_complete()
    assert hub.asked("GET", f"*{FIRST}") == (1 if damaged else 0)
