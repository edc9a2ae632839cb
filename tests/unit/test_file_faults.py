"""The tool of the crash tests: it sees every operation, and its faults are where and what they shall be."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections import Counter
from itertools import groupby
from pathlib import Path

import pytest

import file_faults
from file_faults import Operation, Outcome, lose_unsynced, run, unsynced_files

# One operation each, so that the state before operation N is what the first N - 1 of them make.
STEPS = """\
os.mkdir("sub")
a = os.open("sub/a", os.O_WRONLY | os.O_CREAT, 0o644)
os.write(a, b"first ")
os.pwrite(a, b"F", 0)
os.writev(a, [b"sec", b"ond"])
os.fsync(a)
os.ftruncate(a, 10)
os.rename("sub/a", "sub/b")
os.symlink("b", "sub/s")
os.link("sub/b", "h")
os.truncate("h", 8)
c = os.open("sub/s", os.O_WRONLY | os.O_TRUNC)
os.unlink("sub/s")
os.replace("sub", "moved")
os.posix_fallocate(c, 0, 3)
os.unlink("moved/b")
os.rmdir("moved")
""".splitlines()


@pytest.fixture
def under(tmp_path: Path) -> Path:
    folder = tmp_path / "under"
    folder.mkdir()
    return folder


def run_python(source: str, under: Path, **options: object) -> Outcome:
    """Run Python source in the folder."""
    return run([sys.executable, "-c", source], under, cwd=under, timeout=60, **options)  # type: ignore[arg-type]


def named(outcome: Outcome, under: Path) -> list[tuple[str, str]]:
    """The operations' names and paths."""
    return [(operation.name, str(operation.path.relative_to(under))) for operation in outcome.operations]


def ends(process: int) -> bool:
    """Whether a process has ended, or does so at once; one that nobody has waited for yet is a zombie (Z)."""
    for _ in range(100):
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def state(folder: Path) -> dict[str, bytes | str | None]:
    """What is in a folder: the files' bytes, the links' texts, None for a folder."""
    return {
        str(path.relative_to(folder)): os.readlink(path)
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in folder.rglob("*")
    }


def test_every_operation_is_seen_in_order(under: Path) -> None:
    outcome = run_python("import os\n" + "\n".join(STEPS), under)

    assert outcome.returncode == 0, outcome.stderr
    assert [operation.number for operation in outcome.operations] == list(range(1, len(STEPS) + 1))
    assert named(outcome, under) == [
        ("mkdir", "sub"),
        ("open", "sub/a"),
        ("write", "sub/a"),
        ("write", "sub/a"),
        ("write", "sub/a"),
        ("fsync", "sub/a"),
        ("truncate", "sub/a"),
        ("rename", "sub/a"),
        ("symlink", "sub/s"),
        ("link", "sub/b"),
        ("truncate", "h"),
        ("open", "sub/b"),  # by its symbolic link
        ("unlink", "sub/s"),
        ("rename", "sub"),
        ("fallocate", "moved/b"),  # opened as sub/b
        ("unlink", "moved/b"),
        ("rmdir", "moved"),
    ]
    assert [operation.size for operation in outcome.operations[2:5]] == [6, 1, 6]
    assert outcome.operations[7].other == under / "sub/b"
    assert outcome.operations[8].other == Path("b")
    assert not any(operation.error for operation in outcome.operations)


@pytest.mark.parametrize("number", range(1, len(STEPS) + 2))
def test_killed_before_an_operation(number: int, under: Path, tmp_path: Path) -> None:
    outcome = run_python("import os\n" + "\n".join(STEPS), under, kill_before=number)

    wanted = tmp_path / "wanted"
    wanted.mkdir()
    subprocess.run(
        [sys.executable, "-c", "import os\n" + "\n".join(STEPS[: number - 1])], cwd=wanted, check=True
    )
    assert outcome.returncode == (-9 if number <= len(STEPS) else 0), outcome.stderr
    assert len(outcome.operations) == number - 1
    assert state(under) == state(wanted)


def test_how_the_libraries_write(under: Path) -> None:
    source = """
import os, pathlib, shutil
import numpy, pyarrow, pyarrow.parquet, safetensors.numpy
with open("text", "w") as stream:
    stream.write("hello")
safetensors.numpy.save_file({"a": numpy.zeros(1000)}, "weights")
table = pyarrow.table({"a": range(1000)})
with pyarrow.parquet.ParquetWriter("rows", table.schema) as writer:
    writer.write_table(table)
numpy.zeros(10_000).tofile("stdio")
with open("text", "rb+") as stream:
    os.fsync(stream.fileno())
os.replace("text", "renamed")
shutil.copyfile("renamed", "copy")
pathlib.Path("tree/deep").mkdir(parents=True)
open("tree/deep/file", "w").close()
shutil.rmtree("tree")
"""
    outcome = run_python(source, under)

    assert outcome.returncode == 0, outcome.stderr
    seen = [name_and_path for name_and_path, _ in groupby(named(outcome, under))]
    aside = seen[2][1]  # where safetensors writes
    assert seen == [
        ("open", "text"),
        ("write", "text"),
        ("open", aside),
        ("truncate", aside),
        ("write", aside),
        ("rename", aside),
        ("open", "rows"),
        ("write", "rows"),
        ("open", "stdio"),
        ("write", "stdio"),
        ("fsync", "text"),
        ("rename", "text"),
        ("open", "copy"),
        ("copy", "copy"),
        ("mkdir", "tree/deep"),  # fails: the first attempt of mkdir(parents=True)
        ("mkdir", "tree"),
        ("mkdir", "tree/deep"),
        ("open", "tree/deep/file"),
        ("unlink", "tree/deep/file"),
        ("rmdir", "tree/deep"),
        ("rmdir", "tree"),
    ]
    assert [o.error for o in outcome.operations if o.name == "mkdir"] == [errno.ENOENT, 0, 0]
    sizes: Counter[Path] = Counter()
    for operation in outcome.operations:
        sizes[operation.path] += operation.size
        if operation.other is not None:
            sizes[operation.other] = sizes.pop(operation.path)
    for file in under.iterdir():
        assert sizes[file] == file.stat().st_size, file


def test_mappings_that_can_change_a_file_are_seen(under: Path) -> None:
    (under / "file").write_bytes(bytes(8))
    source = """
import mmap
with open("file", "rb+") as stream:
    for access in (mmap.ACCESS_READ, mmap.ACCESS_COPY, mmap.ACCESS_WRITE):
        mapping = mmap.mmap(stream.fileno(), 0, access=access)
mapping[0] = 1
"""
    outcome = run_python(source, under)

    assert outcome.returncode == 0, outcome.stderr
    assert named(outcome, under) == [("mmap", "file")]
    assert unsynced_files(outcome.operations) == {under / "file"}


def test_only_what_is_in_the_folder_counts(under: Path, tmp_path: Path) -> None:
    (tmp_path / "under-too").mkdir()
    (under / "out").symlink_to(tmp_path / "under-too")
    (tmp_path / "in").symlink_to(under)
    source = """
import os
for name in ("../under-too/a", "out/b", "../in/c", "./d", "e\\n\\t"):
    open(name, "w").close()
open("d").read()
os.rename("d", "../under-too/d")
os.rename("../under-too/a", "a")
folder = os.open("../in", os.O_RDONLY)
os.mkdir("m", dir_fd=folder)
os.chdir("/")
os.rename("a", "m/a", src_dir_fd=folder, dst_dir_fd=folder)
"""
    outcome = run_python(source, under)

    assert outcome.returncode == 0, outcome.stderr
    assert [(o.name, o.path, o.other) for o in outcome.operations] == [
        ("open", under / "c", None),
        ("open", under / "d", None),
        ("open", under / "e\n\t", None),
        ("rename", under / "d", tmp_path / "under-too/d"),
        ("rename", tmp_path / "under-too/a", under / "a"),
        ("mkdir", under / "m", None),
        ("rename", under / "a", under / "m/a"),
    ]


def test_processes_and_threads_share_the_numbers(under: Path) -> None:
    source = """
import os, subprocess, sys, threading
child = "import os; [os.mkdir(f'{os.getpid()}-{i}') for i in range(20)]"
children = [subprocess.Popen([sys.executable, "-c", child], env={}, start_new_session=True) for _ in range(2)]
threads = [threading.Thread(target=lambda i=i: [os.mkdir(f"t{i}-{j}") for j in range(20)]) for i in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for child in children:
    assert child.wait() == 0
subprocess.run(["sh", "-c", "echo text > shell; exec mv shell moved"], check=True)
"""
    outcome = run_python(source, under)

    assert outcome.returncode == 0, outcome.stderr
    assert [operation.number for operation in outcome.operations] == list(range(1, 84))
    assert len({operation.pid for operation in outcome.operations}) == 4
    assert [operation.name for operation in outcome.operations[-3:]] == ["open", "write", "rename"]


def test_a_kill_reaches_all_processes_of_the_group(under: Path) -> None:
    source = """
import os, subprocess
child = subprocess.Popen(["sleep", "1000"])
os.mkdir(str(child.pid))
os.mkdir("never")
"""
    outcome = run_python(source, under, kill_before=2)

    (made,) = under.iterdir()
    assert outcome.returncode == -9
    assert ends(int(made.name))


@pytest.mark.parametrize(
    "failing",
    [
        'open("new", "w")',
        'os.mkdir("new")',
        'os.symlink("old", "new")',
        'os.write(old, b"more")',
        "os.fsync(old)",
        "os.posix_fallocate(old, 0, 100)",
        'shutil.copyfile("old", "copy")',
    ],
)
def test_no_space(failing: str, under: Path) -> None:
    (under / "old").write_text("old")
    (under / "copy").touch()
    source = f"""
import errno, os, shutil
old = os.open("old", os.O_WRONLY)
try:
    {failing}
except OSError as error:
    assert error.errno == errno.ENOSPC
else:
    raise AssertionError("no error")
open("old", "a").close()
os.rename("old", "renamed")
os.unlink("renamed")
"""
    outcome = run_python(source, under, no_space_from=1)

    assert outcome.returncode == 0, outcome.stderr
    assert {operation.error for operation in outcome.operations} == {0, errno.ENOSPC}
    assert state(under) == {"copy": b""}


def test_no_space_for_one_operation_only(under: Path) -> None:
    source = """
import os
file = os.open("file", os.O_WRONLY | os.O_CREAT)
for text in (b"one", b"two", b"three"):
    try:
        os.write(file, text)
    except OSError as error:
        print(error.strerror)
"""
    outcome = run_python(source, under, no_space_only_at=3)

    assert outcome.stdout == "No space left on device\n"
    assert state(under) == {"file": b"onethree"}
    assert [operation.error for operation in outcome.operations] == [0, 0, errno.ENOSPC, 0]


@pytest.mark.parametrize(
    ("write", "content"),
    [
        ('os.write(file, b"12345678")', b"1234"),
        ('os.pwrite(file, b"12345678", 2)', b"\0\0001234"),
        ('os.writev(file, [b"123", b"45", b"678"])', b"1234"),
        ('os.pwritev(file, [b"123", b"45", b"678"], 2)', b"\0\0001234"),
    ],
)
def test_short_write(write: str, content: bytes, under: Path) -> None:
    source = f"""
import os
file = os.open("file", os.O_WRONLY | os.O_CREAT)
assert {write} == 4
os.write(file, b"never")
"""
    outcome = run_python(source, under, no_space_from=2, short_write=True)

    assert "No space left on device" in outcome.stderr
    assert state(under) == {"file": content}
    assert [(operation.size, operation.error) for operation in outcome.operations] == [
        (0, 0),
        (4, 0),
        (0, errno.ENOSPC),
    ]


def test_a_short_write_is_continued_where_it_ended(under: Path) -> None:
    outcome = run_python('open("file", "wb").write(b"12345678")', under, no_space_only_at=2, short_write=True)

    assert outcome.returncode == 0, outcome.stderr
    assert [operation.size for operation in outcome.operations] == [0, 4, 4]
    assert state(under) == {"file": b"12345678"}


def test_a_timeout_kills_everything(under: Path) -> None:
    source = """
import os, subprocess, time
os.mkdir(str(subprocess.Popen(["sleep", "1000"], start_new_session=True).pid))
time.sleep(1000)
"""
    for seconds in (1, 5, 25):  # longer where Python takes as long to start
        with pytest.raises(subprocess.TimeoutExpired):
            run([sys.executable, "-c", source], under, cwd=under, timeout=seconds)
        if any(under.iterdir()):
            break
    (made,) = under.iterdir()
    assert ends(int(made.name))


def test_a_program_notices_nothing_else(under: Path) -> None:
    source = """
import os, signal, sys
assert sys.stdin.read() == ""
signal.signal(signal.SIGUSR1, lambda *_: print("signal"))
os.kill(os.getpid(), signal.SIGUSR1)
if os.fork() == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(3)
child, status = os.waitpid(-1, os.WUNTRACED)
assert os.WIFSTOPPED(status)
os.kill(child, signal.SIGCONT)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
print("error", file=sys.stderr)
sys.exit(7)
"""
    outcome = run_python(source, under)

    assert outcome == Outcome(7, "signal\n", "error\n", ())
    assert run(["sh", "-c", "kill -TERM $$"], under, timeout=60).returncode == -15
    with pytest.raises(RuntimeError, match="no-such-command: No such file"):
        run(["no-such-command"], under, timeout=60)


@pytest.mark.parametrize(
    ("how", "content"), [("emptied", b""), ("half", b"1234"), ("zeroed", b"\0\0\0\0\0\0\0\0")]
)
def test_lost_content(how: str, content: bytes, under: Path) -> None:
    source = """
import os
os.mkdir("folder")
for name in ("synced", "unsynced", "replaced", "deleted"):
    with open(f"folder/{name}", "wb") as stream:
        stream.write(b"12345678")
        stream.flush()
        if name == "synced":
            os.fsync(stream.fileno())
with open("folder/later", "wb", buffering=0) as stream:
    stream.write(b"1234")
    os.fsync(stream.fileno())
    stream.write(b"5678")
os.rename("folder/unsynced", "renamed")
os.rename("folder/synced", "folder/replaced")
os.unlink("folder/deleted")
os.rename("folder", "moved")
"""
    outcome = run_python(source, under)
    lost = lose_unsynced(outcome.operations, under, how)  # type: ignore[arg-type]

    assert outcome.returncode == 0, outcome.stderr
    assert lost == [under / "moved/later", under / "renamed"]
    assert state(under) == {
        "moved": None,
        "moved/later": content,
        "moved/replaced": b"12345678",
        "renamed": content,
    }


def test_a_rename_that_failed_moves_nothing(under: Path) -> None:
    operations = [
        Operation(1, 1, "write", under / "new/file", size=1),
        Operation(2, 1, "fsync", under / "new/file"),
        Operation(3, 1, "write", under / "old/file", size=1),
        Operation(4, 1, "rename", under / "new", under / "old", error=errno.ENOTEMPTY),
    ]

    assert unsynced_files(operations) == {under / "old/file"}


def test_without_gcc(under: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(under))

    with pytest.raises(RuntimeError, match="need gcc"):
        file_faults.build(under)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kill_before": 0}, "numbered from 1"),
        ({"kill_before": 1, "no_space_from": 1}, "give one"),
        ({"short_write": True}, "short_write needs"),
    ],
)
def test_faults_that_make_no_sense(options: dict[str, int], message: str, under: Path) -> None:
    with pytest.raises(ValueError, match=message):
        run_python("", under, **options)
