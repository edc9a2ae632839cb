"""Each fault on the way, once and always: nothing damaged is believed, a restart fetches what is missing."""

import json
import re
import time

import httpx2
import pytest
from download_runs import FILES, FIRST, SECOND, SET, hub_source

from fake_hub import FakeHub
from othink_mr1.data.download import client

PASSING_FAULTS = {
    "503": {"status": 503},
    "500": {"status": 500},
    "429": {"status": 429, "retry_after": 0},
    "truncated": {"truncate": 0.5},
    "corrupt": {"corrupt": True},
    "reset": {"reset": True},
}


@pytest.mark.parametrize(
    ("fault", "path"),
    [
        *((fault, f"*/resolve/*{SECOND}") for fault in PASSING_FAULTS),
        # A damaged listing is no JSON or has other digests: see below.
        *((fault, "*/tree/*") for fault in PASSING_FAULTS if fault != "corrupt"),
        *((fault, "*/revision/*") for fault in PASSING_FAULTS if fault != "corrupt"),
    ],
)
def test_a_passing_fault_is_tried_again(place, hub, capfd, fault, path):
    fault = hub.fail(path, **PASSING_FAULTS[fault], times=1)
    place.download()
    place.assert_complete()
    lines = [line for line in capfd.readouterr().err.splitlines() if re.search("again|next try in", line)]
    assert len(lines) == 1
    assert lines[0].startswith("download owner/set at main")
    # The healthy file is fetched once, the other one more time.
    assert hub.asked("GET", f"*/resolve/*{FIRST}") == 1
    assert fault.seen >= 2


@pytest.mark.parametrize("fault", ["503", "429", "reset"])
def test_questions_about_a_file_are_repeated_too(place, hub, fault):
    """The library asks for each file's digest and place before it fetches it."""
    hub.fail(f"*/resolve/*{SECOND}", method="HEAD", **PASSING_FAULTS[fault], times=2)
    place.download()
    place.assert_complete()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "*/revision/*"), ("GET", "*/tree/*"), ("HEAD", f"*{SECOND}"), ("GET", f"*{SECOND}")],
)
def test_a_server_that_is_silent_is_asked_again(place, hub, capfd, monkeypatch, method, path):
    monkeypatch.setattr(client, "TIMEOUT", httpx2.Timeout(1.0))
    hub.fail(path, method=method, silent_seconds=2.5, times=1)
    place.download()
    place.assert_complete()
    assert capfd.readouterr().err.count("the server does not answer in time; next try in") == 1


SAYS = {
    "503": "the server answers 503 Service Unavailable (3 attempts); run it again later",
    "500": "the server answers 500 Internal Server Error (3 attempts); run it again later",
    "429": "the server answers 429 Too Many Requests (3 attempts); run it again later",
    "truncated": "the connection broke (peer closed connection",
    "reset": "the connection failed",
    "corrupt": "not as listed (its sha256 is ",
}


@pytest.mark.parametrize("fault", SAYS)
def test_a_lasting_fault_is_one_line_and_a_restart_fetches_what_is_missing(place, hub, fault):
    hub.fail(f"*/resolve/*{SECOND}", **PASSING_FAULTS[fault])
    message = place.fails()
    assert message.startswith(f"owner/set at main: {SECOND}: {SAYS[fault]}")
    if fault == "corrupt":
        assert "), twice; it was changed there or on the way: check HF_ENDPOINT" in message
    believed = place.believed()
    assert FIRST in believed
    assert SECOND not in believed
    hub.heal()
    place.download()
    place.assert_complete()
    assert hub.asked("GET", f"*/resolve/*{FIRST}") == 1


@pytest.mark.parametrize("fault", ["truncated", "cut off"])
@pytest.mark.parametrize("ranges", [False, True])
def test_what_came_before_the_connection_broke_is_not_fetched_again(place, fault, ranges):
    """By the mebibyte, if the server sends parts of files."""
    whole = 2**20 + 1000
    files = {SECOND: bytes(range(256)) * (2 * whole // 256)}
    with FakeHub({SET: files}, ranges=ranges).start() as hub:
        place.use(hub)
        hub.fail(f"*/resolve/*{SECOND}", truncate=0.6, cut=fault == "cut off", times=1)
        place.download(hub_source(files=["*.parquet"]))
        place.assert_complete([SECOND], files)
        _, second = hub.matching("GET", f"*/resolve/*{SECOND}")
    assert second.headers["range"] == f"bytes={2**20}-"
    assert second.sent == len(files[SECOND]) - (2**20 if ranges else 0)


def test_damaged_small_files_are_noticed_too(place, hub):
    """notes.json is no LFS file: the hub lists it by git's sha1."""
    hub.fail("*notes.json", corrupt=True)
    assert place.fails().startswith("owner/set at main: notes.json: not as listed (its git-sha1 is ")
    assert "notes.json" not in place.believed()


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_page_instead_of_a_file(place, hub, method):
    """As a proxy shows it that wants a login."""
    hub.fail(f"*/resolve/*{SECOND}", method=method, body=b"<html>Please log in</html>")
    message = place.fails()
    assert message.startswith(f"owner/set at main: {SECOND}: not as listed (")
    assert ("X-Repo-Commit" if method == "HEAD" else "should be of size") in message
    assert SECOND not in place.believed()


@pytest.mark.parametrize("content", [b"", b"x" * 5000, FILES[SECOND][:-1] + b"?", FILES[SECOND] + b"more"])
def test_what_an_interrupted_attempt_left_is_not_believed(place, hub, content):
    """Whatever it noted, here that the file was whole."""
    hub.fail("*/notes.json", status=404)
    place.fails()
    (place.folder / SECOND).write_bytes(content)
    hub.heal()
    place.download()
    place.assert_complete()
    assert hub.asked("GET", f"*/resolve/*{SECOND}") == 2
    assert hub.asked("GET", f"*/resolve/*{FIRST}") == 1


def test_a_pinned_commit_that_is_answered_with_another_is_refused(place, hub):
    pinned, other = hub.commit(SET), "f" * 40
    hub.fail("*/revision/*", commit=other)
    message = place.fails(hub_source(revision=pinned))
    assert message == (
        f"owner/set at {pinned}: wrong commit, the hub answers with {other}; check `revision` and HF_ENDPOINT"
    )
    assert hub.asked("GET", "*/tree/*") == 0


def test_a_file_that_is_listed_but_missing(place, hub):
    hub.fail(f"*/resolve/*{SECOND}", status=404)
    assert place.fails().startswith(f"owner/set at main: {SECOND}: the server answers 404 Not Found; ")
    assert hub.asked("GET", f"*/resolve/*{SECOND}") == 1, "it will not appear by asking again"


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (401, None, "set HF_TOKEN"),
        (401, "RepoNotFound", "set HF_TOKEN"),
        (403, None, "accept the conditions on the repository's page"),
        (401, "GatedRepo", "accept the conditions on the repository's page"),
    ],
)
@pytest.mark.parametrize("path", ["*/revision/*", f"*/resolve/*{SECOND}"])
def test_a_closed_door_is_not_knocked_at_twice(place, hub, path, status, code, remedy):
    hub.fail(path, status=status, code=code)
    message = place.fails()
    assert message.startswith("owner/set at main: ")
    assert f": the server answers {status} " in message
    assert remedy in message
    assert hub.asked("GET", path) == 1


def test_the_server_says_when_to_come_again(place, hub):
    hub.fail(f"*{SECOND}", status=429, retry_after=1, times=1)
    started = time.monotonic()
    place.download()
    assert time.monotonic() - started >= 1.0


def test_a_server_that_wants_a_day_is_given_up_at_once(place, hub):
    hub.fail(f"*{SECOND}", status=429, retry_after=86400)
    assert "429 Too Many Requests and asks to wait 86400 s; run it again later" in place.fails()
    assert hub.asked("GET", f"*{SECOND}") == 1


@pytest.mark.parametrize("path", ["*/revision/*", "*/tree/*"])
@pytest.mark.parametrize(
    "body", [b"<html>Please log in</html>", b"[1, 2]", b"{}", b'[{"type": "file"}]', b"\xff"]
)
def test_answers_that_are_no_hubs(place, hub, path, body):
    hub.fail(path, body=body)
    assert place.fails().startswith("owner/set at main: ")
    assert hub.asked("GET", "*/resolve/*") == 0


@pytest.mark.parametrize(
    "digest", [{"oid": "../../../x"}, {"oid": None}, {"oid": "a" * 40, "size": -1},
               {"lfs": {"oid": "/x", "size": 1, "pointerSize": 1}}]
)  # fmt: skip
def test_a_listing_without_proper_digests(place, hub, digest):
    hub.put(SET, {"a.parquet": b"PAR1"})
    entry = {"type": "file", "path": "a.parquet", "size": 4, "oid": "a" * 40} | digest
    hub.fail("*/tree/*", body=json.dumps([entry]).encode())
    assert place.fails(hub_source(files=["*.parquet"])).startswith(
        "owner/set at main: a.parquet: not as listed (its "
    )
    assert place.believed() == {}
