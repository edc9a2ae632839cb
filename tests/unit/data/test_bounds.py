"""Bombs: what takes too much memory or time ends in one line, within bounds."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from othink_mr1.artefacts.artefact import filling
from othink_mr1.data import parquet_files

SCRIPT = Path(__file__).resolve().parents[3] / "workflow_scripts/prepare_dataset.py"
# Runs a program, and says on the last line how many MB it took at most.
MEASURED = (
    "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]);"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=sys.stderr); sys.exit(code)"
)


def prepare(tmp_path: Path, file: Path) -> tuple[str, int]:
    """What the program says at last of a parquet file, and the MB that it took at most."""
    raw = tmp_path / "raw"
    with filling(raw, {}) as artefact:
        file.rename(raw / "train.parquet")
        artefact.finish()
    program = [sys.executable, str(SCRIPT), "--form", "table", "--raw", str(raw)]
    program += ["--output", str(tmp_path / "set"), "--max-pixels", "10000", "--max-prompt-tokens", "2048"]
    program += ["--largest-unusable-share", "0"]
    measured = [sys.executable, "-c", MEASURED, *program]
    done = subprocess.run(measured, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    *said, megabytes = done.stderr.strip().splitlines()
    return said[-1], int(megabytes)


def rows(image: bytes, count: int = 32) -> pa.Table:
    return pa.table({"image": [image] * count, "problem": ["q"] * count, "solution": ["1"] * count})


def let_the_footer_lie(file: Path) -> None:
    """Let it declare one byte for its first row group."""
    declared = pq.ParquetFile(file).metadata.row_group(0).total_byte_size
    honest = _varint(2 * declared)  # zigzag
    content = file.read_bytes()
    assert content.count(honest) == 1
    lie = bytes([0x82, *[0x80] * (len(honest) - 2), 0])  # 1, in as many bytes
    file.write_bytes(content.replace(honest, lie))
    assert pq.ParquetFile(file).metadata.row_group(0).total_byte_size == 1


def _varint(value: int) -> bytes:
    encoded = []
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])


def test_a_footer_that_lies_about_enormous_values(tmp_path: Path) -> None:
    """32 rows of 160 MB of zeros, in some ten thousand bytes: read at once they would take 5 GB."""
    image = pa.DictionaryArray.from_arrays(pa.array([0] * 32), pa.array([bytes(160 * 2**20)]))
    bomb = rows(b"").set_column(0, "image", image)
    pq.write_table(bomb, tmp_path / "bomb.parquet", compression="zstd", store_schema=False)
    let_the_footer_lie(tmp_path / "bomb.parquet")
    assert (tmp_path / "bomb.parquet").stat().st_size < 200_000
    said, megabytes = prepare(tmp_path, tmp_path / "bomb.parquet")
    assert "train.parquet: takes more than 4 GB of memory to read; do not use this file" in said
    assert megabytes < 4800


def test_memory_that_runs_out_is_not_called_a_broken_file(tmp_path: Path, monkeypatch) -> None:
    pq.write_table(rows(b"1"), tmp_path / "sound.parquet")

    def exhausted(*_: object) -> None:
        raise pa.ArrowMemoryError("malloc of size 64 failed")

    monkeypatch.setattr(parquet_files, "_check", exhausted)
    with (
        pytest.raises(Exception, match=r"sound\.parquet: takes more than 4 GB of memory to read"),
        parquet_files.readable_parquet(tmp_path / "sound.parquet"),
    ):
        pass


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (
            "with bounds.bounded_time('quick'): pass\n"
            "with bounds.bounded_time('a.parquet row 7\\x1b[2J'): time.sleep(60)\n",
            "a.parquet row 7\\x1b[2J: takes more than 0 s to read; do not use this file (or mend its "
            "disk, if that stands still)",
        ),
        (
            "def judge(gold):\n"
            "    while True: pass\n"
            "prepare.row_to_example = lambda row, number, limits: SimpleNamespace(gold='7')\n"
            "prepare._attempt(0, SimpleNamespace(where='train.jsonl line 1'), None, judge)\n",
            "train.jsonl line 1: takes more than 0 s to judge its gold; correct the task's scorer",
        ),
    ],
    ids=["reading", "a scorer"],
)
def test_a_step_that_takes_too_long_ends_the_program(steps: str, said: str) -> None:
    script = (
        "import time; from types import SimpleNamespace\n"
        "from othink_mr1.data import bounds, prepare\n"
        f"bounds.SECONDS = 0.5\n{steps}"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=SCRIPT.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (1, f"error: {said}\n")


def test_a_jpeg_of_a_thousand_scans(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (6000, 6000), "red").save(stream, "JPEG", progressive=True)
    whole = stream.getvalue()
    # The second scan is of coefficients that are 0 everywhere, so it is short.
    first, second = (match.start() for match in list(re.finditer(b"\xff\xda", whole))[1:3])
    (tmp_path / "bomb.jpg").write_bytes(whole[:first] + whole[first:second] * 1000 + whole[second:])
    assert (tmp_path / "bomb.jpg").stat().st_size < 2_000_000
    script = (
        "import sys; from pathlib import Path\n"
        "from othink_mr1.data import bounds\n"
        "from othink_mr1.data.images import bounded_image\n"
        "bounds.SECONDS = 1.0\n"
        "data = Path(sys.argv[1]).read_bytes()\n"
        "with bounds.bounded_time('train.parquet row 3'): bounded_image(data, 10_000)\n"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "bomb.jpg"],
        cwd=SCRIPT.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert time.monotonic() - started < 10
    assert "train.parquet row 3: takes more than 1 s to read; do not use this file" in done.stderr


def test_a_stopped_process_is_no_bomb() -> None:
    script = (
        "from othink_mr1.data import bounds; import time\n"
        "bounds.SECONDS = 1.5\n"
        "with bounds.bounded_time('sound'):\n"
        "    print(flush=True); time.sleep(0.1); [sum(range(100)) for _ in range(20_000)]\n"
    )
    command = [sys.executable, "-c", script]
    process = subprocess.Popen(command, cwd=SCRIPT.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    time.sleep(4)
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"")


def test_the_bounds_leave_room_for_the_largest_picture(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGBA", (7000, 7000), (0, 0, 0, 9)).save(stream, "PNG")
    pq.write_table(rows(stream.getvalue(), 1), tmp_path / "large.parquet")
    said, _ = prepare(tmp_path, tmp_path / "large.parquet")
    assert said.startswith("prepare set: 1/1")
