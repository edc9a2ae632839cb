"""Each fault on the way, once and always: nothing damaged is believed, a restart fetches what is missing."""

import json
import time

import pytest
from download_runs import FILES, FIRST, SECOND, SET, hub_source

from fake_hub import FakeHub

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
    hub.fail(path, **PASSING_FAULTS[fault], times=1)
    place.download()
    place.assert_complete()
    lines = [line for line in capfd.readouterr().err.splitlines() if "next try in" in line]
    assert len(lines) == 1
    assert lines[0].startswith("download owner/set at main")
    # The healthy file is fetched once, the other one more time.
    assert hub.asked("GET", f"*/resolve/*{FIRST}") == 1
    assert hub.asked("GET", path) == 2


SAYS = {
    "503": "the server answers 503 Service Unavailable (3 attempts); start it again later",
    "500": "the server answers 500 Internal Server Error (3 attempts); start it again later",
    "429": "the server answers 429 Too Many Requests (3 attempts); start it again later",
    "reset": "the connection failed",
    "corrupt": "comes with wrong content, twice the same: its sha256 is ",
}


@pytest.mark.parametrize("fault", SAYS)
def test_a_lasting_fault_is_one_line_and_a_restart_fetches_what_is_missing(place, hub, fault):
    hub.fail(f"*/resolve/*{SECOND}", **PASSING_FAULTS[fault])
    message = place.fails()
    assert message.startswith(f"owner/set at main: {SECOND}: ")
    assert SAYS[fault] in message
    if fault == "corrupt":
        assert "check revision or sha256 in config.yaml" in message
    assert place.believed() == {FIRST: FILES[FIRST]}
    before = hub.asked("GET", f"*/resolve/*{FIRST}")
    hub.heal()
    place.download()
    place.assert_complete()
    assert hub.asked("GET", f"*/resolve/*{FIRST}") == before == 1


@pytest.mark.parametrize("ranges", [False, True])
def test_bodies_that_always_break_off(place, ranges):
    """Without ranges each attempt begins anew; with them, as the hub has it, each brings half of the rest.

    For a small file that is no gain that counts: patience ends both times.
    """
    with FakeHub({SET: FILES}, ranges=ranges).start() as hub:
        place.use(hub)
        hub.fail(f"*/resolve/*{SECOND}", truncate=0.5)
        message = place.fails()
        assert message.startswith(f"owner/set at main: {SECOND}: the connection failed (peer closed")
        assert "(3 attempts)" in message
        assert place.believed() == {FIRST: FILES[FIRST]}
        sizes = [each.sent for each in hub.matching("GET", f"*/resolve/*{SECOND}")]
        whole = len(FILES[SECOND])
        assert sizes == ([whole // 2, whole // 4, whole // 8] if ranges else [whole // 2] * 3)
        hub.heal()
        hub.requests.clear()
        place.download()
        (again,) = hub.matching("GET", f"*/resolve/*{SECOND}")
        came = sum(sizes) if ranges else whole // 2
        assert again.headers["range"] == f"bytes={came}-"
        assert (again.status, again.sent) == ((206, whole - came) if ranges else (200, whole))
    place.assert_complete()


def test_what_came_before_the_connection_broke_is_not_fetched_again(place, hub):
    hub.fail(f"*/resolve/*{SECOND}", truncate=0.5, times=1)
    place.download()
    first, second = hub.matching("GET", f"*/resolve/*{SECOND}")
    assert first.sent == len(FILES[SECOND]) // 2
    assert second.headers["range"] == f"bytes={first.sent}-"
    assert first.sent + second.sent == len(FILES[SECOND])


@pytest.mark.parametrize("name", [SECOND, "notes.json"])
def test_damaged_small_files_are_noticed_too(place, hub, name):
    """notes.json is no LFS file: the hub lists it by git's sha1."""
    hub.fail(f"*{name}", corrupt=True)
    message = place.fails()
    kind = "sha256" if name == SECOND else "git sha1"
    assert message.startswith(
        f"owner/set at main: {name}: comes with wrong content, twice the same: its {kind} is "
    )
    assert name not in place.believed()


def test_a_kept_part_of_something_else_is_given_up(place, hub):
    hub.fail(f"*/resolve/*{SECOND}", status=503)
    place.fails()
    digest = hub.commits[SET][hub.commit(SET)].files[SECOND].lfs_sha256
    (place.folder / ".download" / f"{digest}.part").write_bytes(b"x" * 5000)
    hub.heal()
    place.download()
    place.assert_complete()


@pytest.mark.parametrize("extra", [b"", b"more"])
def test_a_part_as_long_as_the_file_or_longer(place, hub, extra):
    hub.fail(f"*/resolve/*{SECOND}", status=503)
    place.fails()
    digest = hub.commits[SET][hub.commit(SET)].files[SECOND].lfs_sha256
    (place.folder / ".download" / f"{digest}.part").write_bytes(FILES[SECOND] + extra)
    hub.heal()
    asked = hub.asked("GET", f"*/resolve/*{SECOND}")
    place.download()
    place.assert_complete()
    assert hub.asked("GET", f"*/resolve/*{SECOND}") - asked == (1 if extra else 0)


def test_a_file_of_another_commit_is_refused(place, hub):
    other = "f" * 40
    hub.fail(f"*/resolve/*{SECOND}", commit=other)
    message = place.fails()
    assert message.startswith(
        f"owner/set at main: {SECOND}: wrong commit, the hub sends the file of {other} "
    )
    assert hub.commit(SET) in message
    assert hub.asked("GET", f"*/resolve/*{SECOND}") == 1


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
    assert place.fails().startswith(f"owner/set at main: {SECOND}: the hub answers 404 Not Found: ")
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
    assert f": the hub answers {status} " in message
    assert remedy in message
    assert hub.asked("GET", path) == 1


def test_the_server_says_when_to_come_again(place, hub):
    hub.fail(f"*{SECOND}", status=429, retry_after=1, times=1)
    started = time.monotonic()
    place.download()
    assert time.monotonic() - started >= 1.0


def test_a_server_that_wants_a_day_is_given_up_at_once(place, hub):
    hub.fail(f"*{SECOND}", status=429, retry_after=86400)
    assert "429 Too Many Requests and wants no request for 86400 s; start it again later" in place.fails()
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
    entry = {"type": "file", "path": "a.parquet", "size": 3, "oid": "a" * 40} | digest
    hub.fail("*/tree/*", body=json.dumps([entry]).encode())
    message = place.fails(hub_source(files=["*.parquet"]))
    assert message.startswith("owner/set at main: the hub lists a file without size or digest (")
    assert hub.asked("GET", "*/resolve/*") == 0
