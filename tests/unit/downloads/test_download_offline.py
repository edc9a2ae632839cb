"""HF_HUB_OFFLINE: nobody is asked, what is missing is named; the user's cache is used."""

from pathlib import Path

import huggingface_hub
import pytest
from download_runs import FILES, FIRST, SECOND, SET, hub_source

from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.data.download.client import use_download_client
from othink_mr1.data.download.retries import Refused
from othink_mr1.plan.download_lock import agree


def test_offline_with_nothing_says_what_to_do_and_asks_nobody(place, hub):
    place.offline()
    message = place.fails()
    assert message.startswith("owner/set at main: HF_HUB_OFFLINE is set, and neither ")
    assert message.endswith("run `snakemake download` on a machine with internet and the same results folder")
    assert hub.asked() == 0


def test_offline_with_some_files_names_the_missing(place, hub):
    hub.fail(f"*/resolve/*{SECOND}", status=404)
    place.fails()
    hub.requests.clear()
    place.offline()
    assert place.fails() == (
        f"owner/set at main: HF_HUB_OFFLINE is set, and 2 of 3 files are missing ({SECOND}, notes.json); run "
        "`snakemake download` on a machine with internet and the same results folder"
    )
    assert hub.asked() == 0
    assert place.believed() == {FIRST: FILES[FIRST]}
    (place.folder / FIRST).write_bytes(FILES[FIRST][:-1] + b"?")
    assert "3 of 3 files are missing" in place.fails()
    assert place.believed() == {}, "a damaged file does not stay"


def test_of_many_missing_files_the_first_are_named(place, hub):
    hub.put(SET, {f"{number}.json": b"{}" for number in range(10)})
    hub.fail("*/resolve/*", status=404)
    place.fails(hub_source(files=["*.json"]))
    place.offline()
    assert "(0.json, 1.json, 2.json, 3.json, 4.json, 5.json, 6.json, 7.json and 2 more); run" in place.fails(
        hub_source(files=["*.json"])
    )


def test_offline_with_all_files_completes_the_folder(place, hub):
    """As when the process was killed between the last file and the manifest."""
    hub.fail("*/notes.json", status=404)
    place.fails()
    (place.folder / "notes.json").write_bytes(FILES["notes.json"])
    hub.requests.clear()
    place.offline()
    place.download()
    place.assert_complete()
    assert read_manifest(place.folder)["licence"] == "apache-2.0"
    assert hub.asked() == 0


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
    client = use_download_client()
    with pytest.raises(Refused, match="HF_HUB_OFFLINE is set"):
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
    assert "HF_HUB_OFFLINE is set, and neither" in place.fails()


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
