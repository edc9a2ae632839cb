"""Images in files that hold many: zip and tar archives, and parquet files whose image column keeps names.

The files come from the network. Images are read into memory by their names and nothing is unpacked to the
disk, so a name leads nowhere and a link is not followed. No more is read than the bounds below allow.
"""

from __future__ import annotations

import gzip
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc

from othink_mr1.data.images import IMAGE_SUFFIXES
from othink_mr1.data.parquet_files import bounded_batches, image_column_fits, readable_parquet
from othink_mr1.errors import UserError, first_line

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")

LARGEST_IMAGE_FILE = 64 * 2**20  # bytes, unpacked
MOST_MEMBERS = 200_000  # the full SuperCLEVR has some 30,000
# Unpacked bytes per packed byte of a gzipped archive. Pictures are compressed already: theirs is near 1.
LARGEST_RATIO = 200
RATIO_FREE = 2**20  # bytes below which the ratio says nothing
LARGEST_HEADER = 2**20  # bytes of names and attributes that a tar archive has before a member
# Others (bzip2, lzma) unpack without a bound on memory in python's zipfile.
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_UNSAFE_NAME = re.compile(r"^/|^[^/]*:|\\|\0|(^|/)\.\.(/|$)")
# What zipfile, tarfile and gzip raise on broken archives. RecursionError: tar headers that follow on headers.
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)


def is_image(name: str) -> bool:
    """Whether a path is an image's, by its suffix; nested archives and other files are left alone."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def zip_images(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of the images whose file name is in `wanted`. UserError if the archive is bad."""
    with _one_line(path, "zip archive"), zipfile.ZipFile(path) as archive:
        for count, member in enumerate(archive.infolist(), start=1):
            _check_member(count, member.orig_filename, path)
            plain = stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG)
            if plain and _is_wanted(member.filename, wanted):
                check_size(member.filename, member.file_size, path)
                if member.compress_type not in ZIP_METHODS:
                    raise NotImplementedError(f"{member.filename} is packed by method {member.compress_type}")
                with archive.open(member) as stream:
                    # zipfile unpacks no more than it is asked for, and then compares the CRC.
                    yield member.filename, stream.read(member.file_size)


def tar_images(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """The same of a tar archive, gzipped or not; it is read once from front to end."""
    with _one_line(path, "tar archive"), open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
        most = max(RATIO_FREE, LARGEST_RATIO * path.stat().st_size)
        headers = _Headers(stream)
        # Plain mode, though the file may be packed: tarfile then reads through `headers` only.
        archive = tarfile.open(fileobj=cast(BinaryIO, headers), mode="r:")  # noqa: SIM115 (nothing to close)
        for count, member in enumerate(iter(archive.next, None), start=1):
            _check_member(count, member.name, path)
            if member.size < 0 or member.offset_data + member.size > most:
                raise _refused(path, f"unpacks to more than {most} bytes: {member.name!r} has {member.size}")
            if member.isreg() and not member.issparse() and _is_wanted(member.name, wanted):
                check_size(member.name, member.size, path)
                stream.seek(member.offset_data)
                data = stream.read(member.size)
                if len(data) != member.size:
                    raise tarfile.ReadError(f"member {member.name} is cut off")
                yield member.name, data
            # tarfile remembers every member and attribute; they are not needed.
            archive.members.clear()  # type: ignore[attr-defined]
            archive.pax_headers.clear()  # type: ignore[attr-defined]
            headers.left = LARGEST_HEADER


def parquet_images(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """The same of a parquet file: its images' `path` is their name. One without names yields nothing."""
    with readable_parquet(path) as file:
        schema = file.schema_arrow
        kind = schema.field("image").type if schema.names.count("image") == 1 else pa.null()
        if not image_column_fits(kind) or not pa.types.is_struct(kind) or kind.get_field_index("path") < 0:
            return
        for batch in bounded_batches(file, ["image"]):
            names = pc.cast(pc.struct_field(batch.column("image"), "path"), pa.binary()).to_pylist()
            images = pc.struct_field(batch.column("image"), "bytes")
            for row, name_bytes in enumerate(names):
                name = (name_bytes or b"").decode("utf-8", "replace")
                if _is_wanted(name, wanted) and (image := images[row].as_py()):
                    check_size(name, len(image), path)
                    yield name, image


def check_size(name: str, size: int, path: Path) -> None:
    """UserError if an image has more bytes than any image here has."""
    if size > LARGEST_IMAGE_FILE:
        raise _refused(path, f"{name} has {size} bytes, at most {LARGEST_IMAGE_FILE} are allowed")


def _check_member(count: int, name: str, path: Path) -> None:
    if count > MOST_MEMBERS:
        raise _refused(path, f"has more than {MOST_MEMBERS} members")
    if _UNSAFE_NAME.search(name):
        raise _refused(path, f"member {name!r} leads out of the archive")


def _is_wanted(name: str, wanted: Collection[str]) -> bool:
    return is_image(name) and PurePosixPath(name).name in wanted


def _refused(path: Path, why: str) -> UserError:
    return UserError(f"{path}: {why}; correct `files` of its source in config.yaml")


@contextmanager
def _one_line(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise UserError(f"{path}: is no readable {what} ({first_line(error)}); download it again") from None


class _Headers:
    """What tarfile reads headers from: it takes names and attributes as long as they say they are."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.tell, self.seek = stream.tell, stream.seek
        self.left = LARGEST_HEADER  # for the next member

    def read(self, size: int) -> bytes:
        self.left -= size
        if size < 0 or self.left < 0:
            raise tarfile.ReadError(f"a header above {LARGEST_HEADER} bytes")
        return self._stream.read(size)
