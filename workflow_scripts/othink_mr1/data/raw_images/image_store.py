"""Finds the images that a prompt file names: in zip and tar archives, parquet files and among loose files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path, PurePosixPath

from othink_mr1.artefacts.verification import visible_files
from othink_mr1.data.raw_images.archives import (
    TAR_SUFFIXES,
    check_size,
    is_image,
    parquet_images,
    tar_images,
    zip_images,
)
from othink_mr1.errors import UserError, temporary_file_errors

MOST_BYTES = 4 * 2**30  # of all wanted images; the 200 test images of SuperCLEVR have about 60 MB

# An image's path in its parts, and where its bytes begin and how many they are in the temporary file.
Place = tuple[tuple[str, ...], int, int]


class ImageStore:
    """The wanted images of some raw folders, found by the end of their path. Use it as a context manager.

    wanted: the paths that will be read, as prompts name them. Only these are kept, in an unnamed temporary
    file. UserError if any archive is broken or hostile.
    """

    def __init__(self, folders: Iterable[Path], wanted: Iterable[str]) -> None:
        folders = list(folders)
        self._where = ", ".join(map(str, folders))
        self._places: dict[str, list[Place]] = {_file_name(path): [] for path in wanted}
        with temporary_file_errors():
            self._kept = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__, or with the store)
        for folder in folders:
            for path in visible_files(folder):
                if path.is_file() and not path.is_symlink():
                    for name, data in self._images_in(path, folder):
                        self._keep(name, data)

    def __enter__(self) -> ImageStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def read(self, image_path: str) -> bytes:
        """The bytes of the image that a prompt names, e.g. `./Geo170K/images/test/0.png`.

        UserError if there is none or if several fit equally well.
        """
        _, start, size = self._find(image_path)
        self._kept.seek(start)
        return self._kept.read(size)

    def _images_in(self, path: Path, folder: Path) -> Iterator[tuple[str, bytes]]:
        """Names and bytes of the wanted images that a file is or holds."""
        name = path.name.lower()
        if name.endswith(".zip"):
            yield from zip_images(path, self._places)
        elif name.endswith(TAR_SUFFIXES):
            yield from tar_images(path, self._places)
        elif name.endswith(".parquet"):
            yield from parquet_images(path, self._places)
        elif is_image(name) and path.name in self._places:
            check_size(path.name, path.stat().st_size, path)
            yield path.relative_to(folder).as_posix(), path.read_bytes()

    def _keep(self, name: str, data: bytes) -> None:
        start = self._kept.tell()
        if start + len(data) > MOST_BYTES:
            raise UserError(
                f"{self._where}: the images asked for take more than {MOST_BYTES} bytes; is it the right "
                "archive?"
            )
        with temporary_file_errors():
            self._kept.write(data)
            self._kept.flush()
        self._places[_file_name(name)].append((PurePosixPath(name).parts, start, len(data)))

    def _find(self, image_path: str) -> Place:
        """The place whose path ends most like image_path."""
        wanted = PurePosixPath(image_path).parts
        candidates = self._places.get(_file_name(image_path), [])
        shared = [_shared_end(place[0], wanted) for place in candidates]
        best = max(shared, default=0)
        fits = [candidate for candidate, end in zip(candidates, shared, strict=True) if end == best]
        # A mirror may keep its images in another folder, but `0.png` stands in many: then the folders of
        # the shorter path must agree too.
        if PurePosixPath(image_path).stem.isdigit():
            fits = [place for place in fits if best == min(len(place[0]), len(wanted))]
        if not fits:
            raise UserError(f"{image_path}: no such image in {self._where}; download the images again")
        if len(fits) > 1:
            names = ", ".join("/".join(parts) for parts, *_ in fits[:3])
            raise UserError(
                f"{image_path}: {len(fits)} images in {self._where} fit equally well ({names}); "
                "let the source's `files` in the config take only one of them"
            )
        return fits[0]


def _file_name(path: str) -> str:
    return PurePosixPath(path).name


def _shared_end(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many path parts agree, counted from the end."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
