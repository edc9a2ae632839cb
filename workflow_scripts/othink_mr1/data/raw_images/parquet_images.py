"""Images in parquet files whose image column keeps the file's name: a form in which mirrors come."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from othink_mr1.data.parquet_files import bounded_batches, image_column_fits, readable_parquet
from othink_mr1.data.raw_images.limits import check_size, is_image
from othink_mr1.data.raw_images.spool import Spool


def parquet_images(
    path: Path, wanted: Collection[str], spool: Spool
) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield name and reader of the images whose `path` ends in a file name of `wanted`.

    A file without an image column, or without names in it, yields nothing. UserError if it is damaged.
    """
    with readable_parquet(path) as file:
        schema = file.schema_arrow
        kind = schema.field("image").type if schema.names.count("image") == 1 else pa.null()
        if not image_column_fits(kind) or not pa.types.is_struct(kind) or kind.get_field_index("path") < 0:
            return
        for batch in bounded_batches(file, ["image"]):
            column = batch.column("image")
            names = pc.cast(pc.struct_field(column, "path"), pa.binary()).to_pylist()
            data = pc.struct_field(column, "bytes")
            for row, name_bytes in enumerate(names):
                name = (name_bytes or b"").decode("utf-8", "replace")
                if not is_image(name) or PurePosixPath(name).name not in wanted:
                    continue
                image = data[row].as_py()
                if image:
                    check_size(name, len(image), path)
                    yield name, spool.add(image)
