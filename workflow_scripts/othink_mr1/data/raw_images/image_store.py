"""Finds the images that a prompt file names: in zip and tar archives, parquet files and among loose files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from othink_mr1.artefacts.verification import visible_files
from othink_mr1.data.raw_images.limits import LARGEST_MEMBER, is_image
from othink_mr1.data.raw_images.parquet_images import parquet_images
from othink_mr1.data.raw_images.spool import Spool
from othink_mr1.data.raw_images.tar_images import TAR_SUFFIXES, tar_images
from othink_mr1.data.raw_images.zip_images import zip_images
from othink_mr1.errors import UserError

# A path in its parts, and the function that reads the image there.
Place = tuple[tuple[str, ...], Callable[[], bytes]]


class ImageStore:
    """The wanted images of some raw folders, found by the end of their path. Use it as a context manager.

    wanted: the paths that will be read, as prompts name them. Only these are kept track of, so that memory
    does not grow with the archives. UserError if any archive is broken or hostile.
    """

    def __init__(self, folders: Iterable[Path], wanted: Iterable[str]) -> None:
        folders = list(folders)
        self._where = ", ".join(map(str, folders))
        self._places: dict[str, list[Place]] = {_file_name(path): [] for path in wanted}
        with ExitStack() as opening:
            spool = opening.enter_context(Spool())
            for folder in folders:
                for path in visible_files(folder):
                    if path.is_symlink() or not path.is_file():
                        continue
                    for name, read in self._images_in(path, folder, spool, opening):
                        self._places[_file_name(name)].append((PurePosixPath(name).parts, read))
            self._stack = opening.pop_all()

    def __enter__(self) -> ImageStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, image_path: str) -> bytes:
        """The bytes of the image that a prompt names, e.g. `./Geo170K/images/test/0.png`.

        UserError if there is none or if several fit equally well.
        """
        return self._find(image_path)[1]()

    def _images_in(
        self, path: Path, folder: Path, spool: Spool, closing: ExitStack
    ) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Names and readers of the wanted images that a file is or holds."""
        name = path.name.lower()
        if name.endswith(".zip"):
            yield from zip_images(path, self._places, closing)
        elif name.endswith(TAR_SUFFIXES):
            yield from tar_images(path, self._places, spool)
        elif name.endswith(".parquet"):
            yield from parquet_images(path, self._places, spool)
        elif is_image(name) and path.name in self._places:
            yield path.relative_to(folder).as_posix(), lambda: _read_loose(path)

    def _find(self, image_path: str) -> Place:
        """The place whose path ends most like image_path."""
        wanted = PurePosixPath(image_path).parts
        candidates = self._places.get(_file_name(image_path), [])
        shared = [_shared_end(parts, wanted) for parts, _ in candidates]
        best = max(shared, default=0)
        fits = [candidate for candidate, end in zip(candidates, shared, strict=True) if end == best]
        # A mirror may keep its images in another folder, but `0.png` stands in many: then the folders of
        # the shorter path must agree too.
        fits = [
            (parts, read)
            for parts, read in fits
            if best == min(len(parts), len(wanted)) or not PurePosixPath(image_path).stem.isdigit()
        ]
        if not fits:
            raise UserError(f"{image_path}: no such image in {self._where}; download the images again")
        if len(fits) > 1:
            names = ", ".join("/".join(parts) for parts, _ in fits[:3])
            raise UserError(
                f"{image_path}: {len(fits)} images in {self._where} fit equally well ({names}); "
                "let the source's `files` in the config take only one of them"
            )
        return fits[0]


def _read_loose(path: Path) -> bytes:
    if path.stat().st_size > LARGEST_MEMBER:
        raise UserError(
            f"{path}: is above {LARGEST_MEMBER // 2**20} MiB, which no image here is; do not use it"
        )
    return path.read_bytes()


def _file_name(path: str) -> str:
    return PurePosixPath(path).name


def _shared_end(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many path parts agree, counted from the end."""
    shared = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        if left != right:
            break
        shared += 1
    return shared
