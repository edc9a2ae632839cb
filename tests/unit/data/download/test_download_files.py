"""Which files of a repository are fetched, and what the manifest says of them."""

import json

import pytest
from download_runs import FILES, FIRST, PATTERNS, QUICK, SECOND, SET, WANTED, entry_point, hub_source

from fake_hub import FakeHub
from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.config.sources import HubBackbone
from othink_mr1.data.download.sources import download
from othink_mr1.errors import UserError
from othink_mr1.plan.download_lock import read_lock


def test_facts_of_the_manifest(place, hub):
    place.download()
    place.assert_complete()
    manifest = read_manifest(place.folder)
    assert manifest["revision"] == hub.commit(SET)
    assert manifest["licence"] == "apache-2.0"
    assert manifest["repository"] == "owner/set"
    assert manifest["source"] == {
        "kind": "hub",
        "repository": "owner/set",
        "repository_type": "dataset",
        "revision": "main",
        "files": PATTERNS,
    }
    assert hub.endpoint not in json.dumps(manifest)


def test_a_licence_that_is_not_stated(place, hub):
    hub.put(SET, {name: body for name, body in FILES.items() if name != "README.md"})
    place.download()
    assert read_manifest(place.folder)["licence"] is None


def test_a_pinned_commit_needs_no_lock(place, hub):
    pinned = hub.commit(SET)
    hub.put(SET, {FIRST: b"other"})
    place.download(hub_source(revision=pinned))
    place.assert_complete()
    assert not place.lock.exists()


def test_long_listings_come_in_pages(place):
    with FakeHub({SET: FILES}, page=2).start() as hub:
        place.use(hub)
        place.download()
        pages = {each.query for each in hub.matching("GET", "*/tree/*")}
        assert len(pages) == 3
    place.assert_complete()


def test_a_listing_without_end_is_given_up(place, hub, monkeypatch):
    monkeypatch.setattr("othink_mr1.data.download.client.MOST_PAGES", 20)
    hub.endless_listing = True
    assert "its file list is longer than 20 pages" in place.fails()
    assert len(hub.matching("GET", "*/tree/*")) == 20


def test_a_repository_that_is_listed_among_the_models(place):
    with FakeHub({"models/owner/set": FILES}).start() as hub:
        place.use(hub)
        assert "no such repository" in place.fails()
        place.download(hub_source(repository_type="model"))
    place.assert_complete()
    assert list(read_lock(place.lock)) == ["model/owner/set@main"]


def test_a_backbone_is_safetensors_and_texts_only(tmp_path):
    wanted = ["chat_template.jinja", "config.json", "merges.txt", "model.safetensors", "tokenizer.json"]
    files = {name: name.encode() for name in [*wanted, "pytorch_model.bin", "modeling.py", "weights.pkl"]}
    with FakeHub({"models/owner/model": files}).start() as hub:
        commit = hub.commit("models/owner/model")
        backbone = json.dumps({"kind": "hub", "repository": "owner/model", "revision": commit})
        folder = tmp_path / "backbone"
        arguments = ("--backbone", backbone, "--output", folder)
        done = entry_point("download_backbone.py", hub, tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
        assert not [each for each in hub.requests if each.path.endswith((".py", ".bin", ".pkl"))]
    assert sorted(read_manifest(folder)["files"]) == wanted
    assert read_manifest(folder)["revision"] == commit


def test_code_and_pickles_are_left_out_whatever_the_patterns_say(place, hub, capfd):
    names = ["weights.bin", "weights.pt", "a.pkl", "model.ckpt", "run.sh", "x.npy", "lib.so", "LOAD.PY"]
    hub.put(SET, FILES | dict.fromkeys(names, b"x"))
    place.download(hub_source(files=["*"]))
    place.assert_complete([*WANTED, "README.md"])
    assert (
        "LOAD.PY, a.pkl, lib.so, load.py, model.ckpt, run.sh, weights.bin, weights.pt and 1 more left out"
        in (capfd.readouterr().err)
    )


def test_each_file_that_is_named_must_be_there(place, hub):
    assert place.fails(hub_source(files=["*.parquet", "notes.json", "images.zip"])) == (
        f"owner/set at main: has no images.zip (only {FIRST}, {SECOND}, notes.json); is it the right "
        "repository?"
    )


def test_a_backbone_without_safetensors(place):
    files = {"config.json": b"{}", "pytorch_model.bin": b"x"}
    backbone = HubBackbone(kind="hub", repository="owner/model", revision="main")
    with FakeHub({"models/owner/model": files}).start() as hub:
        place.use(hub)
        with pytest.raises(UserError) as caught:
            download(backbone, place.folder, place.lock, QUICK)
    assert str(caught.value).startswith("owner/model at main: has no *.safetensors (only config.json)")
    assert hub.asked("GET", "*/resolve/*") == 0


def test_hidden_files_are_left_out(place, hub):
    """No manifest lists them, and nothing reads them."""
    hub.put(SET, FILES | {".hidden.json": b"{}", ".cache/a.parquet": b"PAR1"})
    assert place.fails(hub_source(files=[".hidden.json"])).startswith(
        "owner/set at main: no file to fetch matches .hidden.json"
    )
    place.download()
    place.assert_complete()
    assert hub.asked("GET", "*/resolve/*hidden*") == 0


@pytest.mark.parametrize("files", [["*.zip"], ["*.py"]])
def test_patterns_that_match_nothing_to_fetch(place, hub, files):
    assert place.fails(hub_source(files=files)) == (
        f"owner/set at main: no file to fetch matches {files[0]}; the repository has README.md, "
        f"{FIRST}, {SECOND}, load.py, notes.json; correct `files`"
    )


@pytest.mark.parametrize(
    "name", ["../evil.json", "/evil.json", "a/../../evil.json", "a\\b.json", "C:evil.json", "a//b.json",
             "a\nb.json", "manifest.json", "./a.json"]
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(place, hub, name):
    hub.put(SET, {name: b"{}"})
    before = {path for path in place.root.rglob("*") if "results" not in path.parts}
    message = place.fails(hub_source(files=["*.json"]))
    assert message.startswith("owner/set at main: refused, as it lists the file name ")
    assert place.believed() == {}
    assert {path for path in place.root.rglob("*") if "results" not in path.parts} - before <= {
        place.lock, place.lock.with_name(f".{place.lock.name}.guard")
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"repository": "owner/other"}, "owner/other at main: the server answers 401 Unauthorized; no such "),
        ({"revision": "v2"}, "owner/set at v2: the server answers 404 Not Found; it has no such revision; "),
        ({"repository": "a--b/c"}, "a--b/c at main: the hub takes no such name ("),
    ],
)
def test_what_the_hub_does_not_have(place, hub, changes, says):
    assert place.fails(hub_source(**changes)).startswith(says)


def test_an_unreachable_hub(place):
    with FakeHub({}).start() as hub:
        place.use(hub)
    assert place.fails() == (
        "owner/set at main: the connection failed ([Errno 111] Connection refused) (3 attempts); run it "
        "again later; complete files are kept"
    )


def test_files_of_another_commit_or_pattern_do_not_stay(place, hub):
    hub.fail(f"*/resolve/*{SECOND}", status=404)
    place.fails()
    hub.heal()
    place.download(hub_source(files=["notes.json"]))
    place.assert_complete(["notes.json"])
