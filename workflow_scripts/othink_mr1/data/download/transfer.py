"""Brings one file over HTTP: resumed where an earlier attempt ended, believed when its digest is right.

Not by the hub library's own hf_hub_download: 2.4 no longer resumes (it deletes what came when an attempt
fails), and it accepts other content of the same length.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from othink_mr1.data.download.client import interruptions
from othink_mr1.data.download.digests import Digests, Expected
from othink_mr1.data.download.retries import Interrupted, Patience, Refused
from othink_mr1.errors import UserError

# An attempt that brought this much does not count against the patience: the line works, if badly.
GAIN_BYTES = 2**20
# The disk or the user's share of it; a file longer than the file system or a limit takes.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
OFFLINE_REMEDY = "run `snakemake download` on a machine with internet and the same results folder"


@dataclass(frozen=True)
class Order:
    """what: names the file in messages. largest: bytes; more are not accepted. check: is called with each
    answer before its content is read, and raises Refused. reached: is told how many bytes there are."""

    what: str
    url: str
    headers: dict[str, str]
    expected: Expected
    largest: int
    check: Callable[[httpx2.Response], None]
    reached: Callable[[int], None]


def transfer(client: httpx2.Client, order: Order, target: Path, part: Path, patience: Patience) -> str:
    """Bring the file to `target`, whole and verified; returns its sha256.

    part: where what has come so far is kept, also across attempts and restarts. UserError, naming the file
    and the remedy, when patience ends, the server refuses, or the disk is full.
    """
    furthest = part.stat().st_size if part.exists() else 0
    wrong: set[str] = set()

    def attempt() -> str:
        nonlocal furthest
        started_at = furthest
        try:
            return _attempt(client, order, part)
        except Interrupted as error:
            reached = part.stat().st_size if part.exists() else 0
            furthest = max(furthest, reached)
            raise Interrupted(str(error), error.asked, gained=reached - started_at >= GAIN_BYTES) from None
        except _Damaged as error:
            part.unlink(missing_ok=True)
            # What comes twice in the same way was not damaged on the way: no need to fetch 12 GB six times.
            if str(error) in wrong:
                raise Refused(
                    f"comes with wrong content, twice the same: {error}; it was changed there, or what is "
                    "pinned is wrong: check revision or sha256 in config.yaml, or use another mirror"
                ) from None
            wrong.add(str(error))
            raise Interrupted(f"damaged, {error}") from None

    with writing(order.what):
        part.parent.mkdir(parents=True, exist_ok=True)
        sha256 = patience.retry(order.what, attempt)
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(part, target)
    return sha256


class _Damaged(Exception):
    """The whole content came, and it is another."""


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Say what to do when the disk is full, or when a file, which is named, cannot be read or written."""
    again = "then start it again: what is complete is kept"
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        if error.errno in _FULL:
            raise UserError(
                f"{what}: cannot be written ({reason}); free disk space, or set `results` to another disk, "
                f"{again}"
            ) from None
        where = f" {error.filename}:" if error.filename and str(error.filename) != what else ""
        raise UserError(
            f"{what}:{where} cannot be used ({reason}); check who may read and write it, and its disk, "
            f"{again}"
        ) from None


def _attempt(client: httpx2.Client, order: Order, part: Path) -> str:
    size = order.expected.size
    digests = Digests(order.expected)
    if part.exists() and part.stat().st_size <= order.largest:
        digests.add_file(part)
    if not part.exists() or digests.size != size:
        digests = _stream(client, order, part, digests)
    if size is not None and digests.size < size:
        raise Interrupted(f"the content ended after {digests.size} of {size} bytes")
    if difference := digests.difference():
        raise _Damaged(difference)
    # The digest is of what came: it must be what lies there, too.
    if part.stat().st_size != digests.size:
        raise _Damaged("another process writes the same file")
    return digests.sha256


def _stream(client: httpx2.Client, order: Order, part: Path, digests: Digests) -> Digests:
    """Append what is missing to the part, or begin anew if the server does not do parts."""
    # Compressed on the way, neither sizes nor ranges would be the file's.
    headers = {**order.headers, "Accept-Encoding": "identity"}
    if digests.size:
        headers["Range"] = f"bytes={digests.size}-"
    with interruptions(), client.stream("GET", order.url, headers=headers) as answer:
        if answer.status_code == 416 and digests.size:
            part.unlink()
            raise Interrupted("the server has nothing after what was kept, so that goes")
        order.check(answer)
        continued = answer.status_code == 206
        if continued and not _continues(answer, digests.size):
            part.unlink()
            raise Interrupted("the server sends another part than was asked for")
        if not continued:
            digests = Digests(order.expected)
        with open(part, "ab" if digests.size else "wb") as stream:
            for chunk in answer.iter_bytes():
                digests.add(chunk)
                if digests.size > order.largest:
                    raise _Damaged(f"it is longer than {order.largest} bytes")
                stream.write(chunk)
                order.reached(digests.size)
    return digests


def _continues(answer: httpx2.Response, size: int) -> bool:
    first = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return first is not None and int(first[1]) == size
