"""Images in zip archives. The archive is looked at as a whole before anything of it is used."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from othink_mr1.data.raw_images import limits
from othink_mr1.data.raw_images.limits import check_count, check_name, check_size, is_image, refuse
from othink_mr1.errors import UserError

LARGEST_DIRECTORY = 64 * 2**20  # bytes of the list of members, which is read at once
# Others (bzip2, lzma) unpack without a bound on memory in python's zipfile.
READ_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
LOCAL_HEADER = 30  # bytes at least before a member's data
DIRECTORY_SIGNATURE = b"PK\x01\x02"
ZIP64_END = 76  # bytes of the two records that a large archive has before its end record

# What zipfile raises on broken archives, depending on where they are broken.
_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)


def zip_images(
    path: Path, wanted: Collection[str], closing: ExitStack
) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield name and reader of the images whose file name is in `wanted`; `closing` closes the archive.

    UserError if the archive is broken or hostile in any member, wanted or not.
    """
    file = closing.enter_context(open(path, "rb"))  # noqa: SIM115
    try:
        _check_directory(file, path)
        archive = closing.enter_context(zipfile.ZipFile(file))
    except _ERRORS as error:
        raise UserError(f"{path}: is no readable zip archive ({error}); download it again") from None
    members = archive.infolist()
    check_count(len(members), path)
    for member in members:
        _check_member(member, path)
    _check_places(members, archive.start_dir, path)
    for member in members:
        name = member.filename
        if not member.is_dir() and is_image(name) and PurePosixPath(name).name in wanted:
            yield name, lambda member=member: _read(archive, member, path)  # type: ignore[misc]


def _check_directory(file: BinaryIO, path: Path) -> None:
    """Bound the list of members before zipfile makes objects of it, some 700 bytes for each."""
    # Private, but a search of our own might find another end record than the one that zipfile then reads by,
    # and an archive made for that would pass. Should python rename it, the tests of zip archives fail.
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if end is None:
        raise zipfile.BadZipFile("no end of the archive")
    declared, size, location = end[4], end[5], end[9]
    check_count(declared, path)
    if size > LARGEST_DIRECTORY:
        raise refuse(path, f"has a list of members of {size} bytes, at most {LARGEST_DIRECTORY} are allowed")
    start = location - size - (ZIP64_END if end[0] == b"PK\x06\x06" else 0)
    file.seek(start)
    # The declared number may lie; zipfile takes as many as the list holds.
    check_count(file.read(size).count(DIRECTORY_SIGNATURE), path)


def _check_member(member: zipfile.ZipInfo, path: Path) -> None:
    # zipfile cuts `filename` at a NUL; what stands in the archive is orig_filename.
    name = member.orig_filename
    check_name(name, path)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise refuse(path, f"member {name!r} is a link or device")
    if member.flag_bits & 1:
        raise refuse(path, f"member {name!r} is encrypted")
    if not is_image(name):
        return
    if member.compress_type not in READ_METHODS:
        raise refuse(path, f"member {name!r} is packed by method {member.compress_type}, not by deflate")
    check_size(name, member.file_size, path)
    if member.file_size > max(limits.RATIO_FREE, limits.LARGEST_RATIO * member.compress_size):
        raise refuse(
            path, f"member {name!r} unpacks {member.compress_size} bytes to {member.file_size}, a bomb"
        )


def _check_places(members: list[zipfile.ZipInfo], directory: int, path: Path) -> None:
    """Members that share bytes are a bomb's; together they must not unpack to too much."""
    total = sum(member.file_size for member in members)
    if total > limits.LARGEST_ARCHIVE:
        raise refuse(path, f"unpacks to {total} bytes, at most {limits.LARGEST_ARCHIVE} are allowed")
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise refuse(path, f"member {member.filename!r} overlaps with another one")
        end = member.header_offset + LOCAL_HEADER + member.compress_size
    if end > directory:
        raise UserError(f"{path}: is no readable zip archive (members end behind it); download it again")


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> bytes:
    try:
        with archive.open(member) as stream:
            # zipfile unpacks no more than it is asked for, and then compares the CRC.
            return stream.read(member.file_size)
    except _ERRORS as error:
        raise UserError(f"{path}: member {member.filename} is broken ({error}); download it again") from None
