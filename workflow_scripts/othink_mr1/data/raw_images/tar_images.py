"""Images in tar archives, packed by gzip or not: read once from front to end, nothing written by name."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from othink_mr1.data.raw_images import limits
from othink_mr1.data.raw_images.bounded_stream import BoundedStream
from othink_mr1.data.raw_images.limits import check_count, check_name, check_size, is_image, refuse
from othink_mr1.data.raw_images.spool import Spool
from othink_mr1.errors import UserError

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
GZIP_MAGIC = b"\x1f\x8b"
MOST_GLOBAL_ATTRIBUTES = 100

# What tarfile and gzip raise on broken archives. RecursionError: headers that follow on headers.
_ERRORS = (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, OverflowError, RecursionError)


def tar_images(
    path: Path, wanted: Collection[str], spool: Spool
) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield name and reader of the images whose file name is in `wanted`; their bytes go to the spool.

    UserError if the archive is broken or hostile in any member, wanted or not.
    """
    with open(path, "rb") as file:
        packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        file.seek(0)
        if packed:
            unpacked = cast(BinaryIO, gzip.GzipFile(fileobj=file))
            stream = BoundedStream(unpacked, limits.largest_unpacked(path.stat().st_size), path)
        else:
            stream = BoundedStream(file, limits.LARGEST_ARCHIVE, path)
        try:
            for name, data in _wanted_members(stream, wanted, path):
                yield name, spool.add(data)
        except _ERRORS as error:
            raise UserError(f"{path}: is no readable tar archive ({error}); download it again") from None


def _wanted_members(
    stream: BoundedStream, wanted: Collection[str], path: Path
) -> Iterator[tuple[str, bytes]]:
    # Plain mode, though the file is packed: tarfile then reads through `stream` only, within its bounds.
    archive = tarfile.open(fileobj=cast(BinaryIO, stream), mode="r:")  # noqa: SIM115 (the caller closes)
    count = 0
    while (member := archive.next()) is not None:
        count += 1
        check_count(count, path)
        _check_member(member, path)
        if len(archive.pax_headers) > MOST_GLOBAL_ATTRIBUTES:
            raise refuse(path, f"has more than {MOST_GLOBAL_ATTRIBUTES} attributes")
        # tarfile remembers every member; a list of them is not needed.
        archive.members.clear()  # type: ignore[attr-defined]
        if member.isreg() and is_image(member.name):
            check_size(member.name, member.size, path)
            if PurePosixPath(member.name).name in wanted:
                stream.seek(member.offset_data)
                data = stream.take(member.size)
                if len(data) != member.size:
                    raise tarfile.ReadError(f"member {member.name} is cut off")
                yield member.name, data
        stream.start_header()


def _check_member(member: tarfile.TarInfo, path: Path) -> None:
    check_name(member.name, path)
    if not (member.isreg() or member.isdir()):
        raise refuse(path, f"member {member.name!r} is a link or device")
    if member.issparse():
        raise refuse(path, f"member {member.name!r} has holes, which images have not")
