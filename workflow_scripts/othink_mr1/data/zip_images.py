"""Finds the images that a prompt file names, in zip archives and among loose files, without unpacking.

The archives come from the network, so each is looked at before anything of it is used: no path that leads
out of it, no links, no member that claims to be huge.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from types import TracebackType

from othink_mr1.errors import UserError

LARGEST_MEMBER = 64 * 2**20
LARGEST_ARCHIVE = 64 * 2**30  # unpacked; Geo170K's is a few GB
MOST_MEMBERS = 2_000_000
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")

# Where an image lies: an archive or None, and the member's name or the file's path.
Place = tuple[zipfile.ZipFile | None, str]


class ImageStore:
    """All images of some raw folders, found by the end of their path. Use it as a context manager."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._stack = ExitStack()
        self._places: dict[str, list[tuple[tuple[str, ...], Place]]] = {}
        self._where = ", ".join(map(str, folders := list(folders)))
        with ExitStack() as opening:
            for folder in folders:
                for path in sorted(folder.rglob("*")):
                    if path.is_symlink() or not path.is_file():
                        continue
                    if path.suffix.lower() == ".zip":
                        self._add_archive(opening.enter_context(_opened(path)), path)
                    elif path.suffix.lower() in IMAGE_SUFFIXES:
                        self._add(path.relative_to(folder).parts, (None, str(path)))
            self._stack = opening.pop_all()

    def __enter__(self) -> ImageStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def read(self, image_path: str) -> bytes:
        """The bytes of the image that a prompt names, e.g. `./Geo170K/images/test/0.png`.

        UserError if there is none or if several fit equally well.
        """
        archive, name = self._find(image_path)
        if archive is None:
            path = Path(name)
            if path.stat().st_size > LARGEST_MEMBER:
                raise UserError(f"{path}: is above {LARGEST_MEMBER // 2**20} MiB, which no image here is")
            return path.read_bytes()
        try:
            with archive.open(name) as member:
                data = member.read(LARGEST_MEMBER + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise UserError(
                f"{archive.filename}: member {name} is broken ({error}); download it again"
            ) from None
        if len(data) > LARGEST_MEMBER:
            raise UserError(f"{archive.filename}: member {name} is larger than it declares")
        return data

    def _add(self, parts: tuple[str, ...], place: Place) -> None:
        self._places.setdefault(parts[-1], []).append((parts, place))

    def _add_archive(self, archive: zipfile.ZipFile, path: Path) -> None:
        members = archive.infolist()
        if len(members) > MOST_MEMBERS:
            raise UserError(f"{path}: has {len(members)} members, at most {MOST_MEMBERS} are allowed")
        total = sum(member.file_size for member in members)
        if total > LARGEST_ARCHIVE:
            raise UserError(f"{path}: unpacks to {total} bytes, at most {LARGEST_ARCHIVE} are allowed")
        for member in members:
            _refuse_hostile(member, path)
            if not member.is_dir() and PurePosixPath(member.filename).suffix.lower() in IMAGE_SUFFIXES:
                self._add(PurePosixPath(member.filename).parts, (archive, member.filename))

    def _find(self, image_path: str) -> Place:
        """The place whose path ends most like image_path."""
        wanted = PurePosixPath(image_path).parts
        candidates = self._places.get(wanted[-1] if wanted else "", [])
        shared = [_shared_end(parts, wanted) for parts, _ in candidates]
        best = max(shared, default=0)
        fits = [candidate for candidate, end in zip(candidates, shared, strict=True) if end == best]
        # A mirror may keep its images in another folder, but `0.png` stands in many: then the folders of
        # the shorter path must agree too.
        fits = [
            (parts, place)
            for parts, place in fits
            if best == min(len(parts), len(wanted)) or not PurePosixPath(image_path).stem.isdigit()
        ]
        if not fits:
            raise UserError(f"{image_path}: no such image in {self._where}; download the images again")
        if len(fits) > 1:
            names = ", ".join("/".join(parts) for parts, _ in fits[:3])
            raise UserError(f"{image_path}: {len(fits)} images in {self._where} fit equally well ({names})")
        return fits[0][1]


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise UserError(f"{path}: is no readable zip archive ({error}); download it again") from None


def _refuse_hostile(member: zipfile.ZipInfo, path: Path) -> None:
    name = member.filename
    if name.startswith("/") or "\\" in name or ":" in name.split("/")[0] or ".." in name.split("/"):
        raise UserError(f"{path}: member {name!r} leads out of the archive; do not use this file")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UserError(f"{path}: member {name!r} is a link or device; do not use this file")
    if member.flag_bits & 1:
        raise UserError(f"{path}: member {name!r} is encrypted; do not use this file")
    if member.file_size > LARGEST_MEMBER:
        raise UserError(
            f"{path}: member {name!r} declares {member.file_size} bytes, at most {LARGEST_MEMBER}"
        )


def _shared_end(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many path parts agree, counted from the end."""
    shared = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        if left != right:
            break
        shared += 1
    return shared
