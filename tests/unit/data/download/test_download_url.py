"""One file from the web, pinned by its sha256: whole and as pinned, or not at all."""

import hashlib
import json

import pytest
from download_runs import dataset_program

from fake_hub import FakeHub
from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.config.sources import UrlSource
from othink_mr1.data.download import url_file
from othink_mr1.errors import UserError

BODY = b'{"image_path": "./1.png"}\n' * 1000
NAME = "prompts.jsonl"


def url_source(endpoint, name=NAME, body=BODY):
    sha256 = hashlib.sha256(body).hexdigest()
    return UrlSource(kind="url", base_url=f"{endpoint}/raw", path=f"a/{name}", sha256=sha256)


@pytest.fixture
def web():
    with FakeHub({"raw": {f"a/{NAME}": BODY}}).start() as web:
        yield web


def test_a_file_is_downloaded_and_checked(place, web):
    place.download(url_source(web.endpoint))
    place.assert_complete([NAME], {NAME: BODY})
    manifest = read_manifest(place.folder)
    assert manifest["source"] == {
        "kind": "url", "path": f"a/{NAME}", "sha256": hashlib.sha256(BODY).hexdigest()
    }  # fmt: skip
    assert web.endpoint not in json.dumps(manifest), "a mirror's address is nobody's business"
    assert not place.lock.exists()
    (asked,) = web.requests
    assert "authorization" not in asked.headers


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429}, {"truncate": 0.5}, {"corrupt": True}])
def test_a_passing_fault(place, web, fault):
    web.fail("*", times=1, **fault)
    place.download(url_source(web.endpoint))
    place.assert_complete([NAME], {NAME: BODY})
    assert web.asked() == 2


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"status": 503}, "the server answers 503 Service Unavailable (3 attempts); run it again later"),
        ({"status": 404}, "the server answers 404 Not Found; check its entry in config.yaml"),
        ({"reset": True}, "the connection failed ("),
        ({"corrupt": True}, "wrong content, its sha256 is "),
        ({"truncate": 0.0}, "the connection broke (peer closed connection"),
        ({"redirect": "ftp://127.0.0.1/x"}, "redirects to an address that is not http or https ("),
        ({"redirect": "file:///etc/passwd"}, "redirects to an address that is not http or https ("),
    ],
)
def test_a_lasting_fault(place, web, fault, says):
    web.fail("*", **fault)
    assert place.fails(url_source(web.endpoint)).startswith(f"{web.endpoint}/raw/a/{NAME}: {says}")
    assert place.believed() == {}
    web.heal()
    place.download(url_source(web.endpoint))
    place.assert_complete([NAME], {NAME: BODY})


def test_another_content_than_the_configs(place, web):
    message = place.fails(url_source(web.endpoint, body=b"other"))
    found, pinned = hashlib.sha256(BODY).hexdigest(), hashlib.sha256(b"other").hexdigest()
    assert f"its sha256 is {found}, not {pinned} as in config.yaml (3 attempts)" in message


def test_a_file_without_end_is_not_taken(place, web, monkeypatch):
    monkeypatch.setattr(url_file, "LARGEST_BYTES", 1000)
    assert "is longer than 1000 bytes" in place.fails(url_source(web.endpoint))
    assert place.believed() == {}


def test_a_file_that_is_there_is_verified_and_not_fetched(place, web):
    place.download(url_source(web.endpoint))
    (place.folder / "manifest.json").unlink()
    place.offline()
    place.download(url_source(web.endpoint))
    (place.folder / "manifest.json").unlink()
    (place.folder / NAME).write_bytes(BODY[:-1] + b"?")
    assert place.fails(url_source(web.endpoint)) == (
        f"{web.endpoint}/raw/a/{NAME}: HF_HUB_OFFLINE is set, and {place.folder / NAME} is missing or "
        "damaged; run `snakemake download` on a machine with internet and the same results folder"
    )
    assert web.asked() == 1
    place.offline(False)
    place.download(url_source(web.endpoint))
    place.assert_complete([NAME], {NAME: BODY})


@pytest.mark.parametrize("name", ["%2e%2e", "manifest.json", "a%5cb", "a%00b", "%2fx/..", ".hidden.jsonl"])
def test_names_that_are_none(place, web, name):
    assert "is no file name that can be used; correct `path`" in place.fails(url_source(web.endpoint, name))
    assert web.asked() == 0


def test_the_hubs_token_is_not_sent_to_the_web(place, web, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_sentinel")
    with FakeHub({"raw": {"a/b": BODY}}).start() as other:
        web.fail("*", redirect=f"{other.endpoint}/raw/a/b")
        place.download(url_source(web.endpoint))
        place.assert_complete([NAME], {NAME: BODY})
        assert not [each for each in web.requests + other.requests if "authorization" in each.headers]


def test_the_program_ends_in_one_line(tmp_path, web):
    done = dataset_program(web, tmp_path, url_source(web.endpoint, "other.jsonl"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"error: {web.endpoint}/raw/a/other.jsonl: the server answers 404 Not Found; check its entry in "
        "config.yaml, and HF_ENDPOINT if that is set"
    )
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_somebodys_is_left_alone(place, web):
    place.folder.mkdir(parents=True)
    (place.folder / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="no artefact of this workflow"):
        place.download(url_source(web.endpoint))
    assert place.believed() == {"thesis.txt": b"mine"}
