"""How fast a training set is prepared, and in how much memory: one JSON line.

    .venv/bin/python benchmarks/prepare_dataset.py [--rows 70000] [--threads N] [--mode RGB|RGBA]

Makes a raw set as the hub has it, then runs the entry point of the rule on it in a process of its own.
The pictures are 480 x 320 like CLEVR's: some hundred rendered scenes with noise laid over them, so that a
file takes about 150 kB, as CLEVR's do. They are repeated, each time with other bytes behind the picture, so
that parquet cannot store them once. With RGBA, as CLEVR's may be, one pixel is transparent, so that each has
to be encoded anew; opaque ones cost what RGB ones do.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from PIL import Image  # noqa: E402

from othink_mr1.artefacts.artefact import write_manifest  # noqa: E402
from othink_mr1.config.sources import RenderedSource  # noqa: E402
from othink_mr1.data.parquet_files import write_rows  # noqa: E402
from othink_mr1.data.rendering.render_source import parquet_schema, render_items  # noqa: E402

SIZE = (480, 320)
NOISE = 2  # standard deviation, of 255
ROW_GROUP = 100  # as the `datasets` library writes
ROWS_PER_FILE = 10_000

# The entry point, and then the peak memory of its process.
RUN = """
import re, runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=70_000)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--mode", choices=("RGB", "RGBA"), default="RGB")
    parser.add_argument("--different", type=int, default=300, help="pictures that are rendered")
    parser.add_argument("--folder", type=Path, help="where to work; needs about 0.4 MB per row")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        raw, out = Path(folder).resolve() / "raw", Path(folder).resolve() / "prepared"
        raw_bytes = make_raw_set(raw, arguments.rows, arguments.different, arguments.mode)
        started = time.perf_counter()
        peak = prepare(raw, out, arguments.threads)
        seconds = time.perf_counter() - started
        manifest = json.loads((out / "manifest.json").read_text())
    result = {
        "rows": manifest["rows"],
        "mode": arguments.mode,
        "threads": arguments.threads,
        "raw_mb": round(raw_bytes / 1e6),
        "seconds": round(seconds, 1),
        "rows_per_second": round(arguments.rows / seconds),
        "peak_memory_mib": round(peak / 1024),
    }
    print(json.dumps(result))


def make_raw_set(folder: Path, rows: int, different: int, mode: str) -> int:
    """Write the raw set; returns its bytes."""
    problems = list(pictures(different, mode))
    schema = parquet_schema(reasoning=True)
    numbers = iter(range(rows))
    files = -(-rows // ROWS_PER_FILE)
    (folder / "data").mkdir(parents=True)
    size = 0
    for file in range(files):
        path = folder / f"data/train-{file:05d}-of-{files:05d}.parquet"
        of_file = (raw_row(number, problems) for number in islice(numbers, ROWS_PER_FILE))
        write_rows(path, of_file, schema, ROW_GROUP, "snappy")
        size += path.stat().st_size
    write_manifest(folder)
    return size


def raw_row(number: int, problems: list[tuple[bytes, str, str, str]]) -> dict[str, object]:
    """A row; bytes behind a PNG's end are no part of the picture."""
    data, question, gold, reasoning = problems[number % len(problems)]
    return {
        "image": {"bytes": data + b"%012d" % number, "path": f"{number}.png"},
        "thinking": f"<think>\n{reasoning}\n</think>",
        "problem": question,
        "solution": f"<answer> {gold} </answer>",
    }


def pictures(different: int, mode: str) -> Iterator[tuple[bytes, str, str, str]]:
    """Pictures as PNG, with question, answer and reasoning."""
    settings = {"kind": "rendered", "renderer": "scenes", "split": "train", "items": different, "seed": 1}
    source = RenderedSource.model_validate(settings | {"image_size": SIZE[0], "reasoning": True})
    for item in render_items(source):
        top = (SIZE[0] - SIZE[1]) // 2
        scene = item.image.crop((0, top, SIZE[0], top + SIZE[1]))
        noise = Image.merge("RGB", [Image.effect_noise(SIZE, NOISE) for _ in "RGB"])
        stream = io.BytesIO()
        picture = Image.blend(scene, noise, 0.3).convert(mode)
        if mode == "RGBA":
            picture.putpixel((0, 0), (0, 0, 0, 0))
        picture.save(stream, "PNG")
        yield stream.getvalue(), item.question, item.gold, item.reasoning


def prepare(raw: Path, out: Path, threads: int) -> int:
    """Run the entry point; returns the peak of its memory in KiB (Linux's VmHWM)."""
    script = ROOT / "workflow_scripts/prepare_dataset.py"
    options = ["--form", "table", "--raw", raw, "--output", out, "--max-pixels", "401408"]
    options += ["--max-prompt-tokens", "2048", "--largest-unusable-share", "0", "--threads", str(threads)]
    command = [sys.executable, "-c", RUN, script, *options]
    # With -c, python looks for packages in the working folder.
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=script.parent)
    found = re.search(r"\d+", done.stdout)
    assert found, done.stdout
    return int(found[0])


if __name__ == "__main__":
    main()
