"""Programs in forks of one process that has imported torch: imports are most of a small job's time.

Programs and their package are the checkout's own, imported in the fork. The caller ends as the program did,
and when the caller is killed, the program is, too. Not for tests of other signals, of downloads
(huggingface_hub reads the environment when it is imported), and of time: there Python starts as it does for
users.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

IMPORTED = (
    *("torch", "torch.utils.tensorboard", "transformers", "transformers.models.qwen2_vl.modeling_qwen2_vl"),
    *(
        "transformers.models.qwen2_vl.processing_qwen2_vl",
        "transformers.models.auto",
        "accelerate",
        "datasets",
    ),
    *(
        "transformers.models.qwen2_vl.image_processing_pil_qwen2_vl",
        "transformers.models.qwen2.tokenization_qwen2",
    ),
    *("torch.distributed.run", "pydantic", "ruamel.yaml", "pebble"),
    *("altair", "vl_convert", "fontTools.subset", "statsmodels.stats.proportion", "scipy.stats"),
)
_LONGEST = 1 << 20  # bytes of a command line with its environment


@functools.cache
def server(imported: tuple[str, ...] = IMPORTED) -> Path:
    """Start the process that has imported these modules; returns the folder of its socket."""
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    atexit.register(shutil.rmtree, folder)
    command = [sys.executable, __file__, str(folder), *imported]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    atexit.register(process.kill)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return folder


def command(*program: str) -> list[str]:
    """The command line that runs a Python program, with its arguments, in a fork."""
    return [sys.executable, "-S", "-E", __file__, str(server() / "socket"), *program]


def variables() -> dict[str, str]:
    """The environment variables by which Snakemake's shells run `python workflow_scripts/...` in forks."""
    functions = server() / "functions"
    forked = shlex.join(command())
    in_a_fork = f'if [[ $1 == workflow_scripts/* ]]; then {forked} "$@"; else command python "$@"; fi'
    functions.write_text(f"python() {{ {in_a_fork}; }}\n")
    return {"BASH_ENV": str(functions)}


def serve(folder: Path, imported: list[str]) -> None:
    """Run each command that comes in a fork, with the caller's files, folder and environment."""
    os.environ["OMP_NUM_THREADS"] = "1"
    gc.disable()
    for name in imported:
        importlib.import_module(name)
    gc.freeze()
    gc.set_threshold(100_000)  # what is frozen is most of what there is
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "socket"))
    listening.listen(64)
    print("ready", flush=True)
    while True:
        caller, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _answer(caller)
        caller.close()


def _answer(caller: socket.socket) -> None:
    """In a fork: run the command in a fork of its own, and tell the caller how it ended."""
    text, files, *_ = socket.recv_fds(caller, _LONGEST, 3)
    command = json.loads(text)
    child = os.fork()
    if child:
        ready, _, _ = select.select([caller, os.pidfd_open(child)], [], [])
        was_killed = caller in ready  # it says no more
        if was_killed:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not was_killed:
            caller.send(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    for place, file in enumerate(files):
        os.dup2(file, place)
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environment"])
    tempfile.tempdir = None  # may be known from another environment
    sys.argv = command["arguments"]
    paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:1] = [str(Path(sys.argv[0]).parent.absolute()), *paths]
    code = 1
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def call(
    server: str | Path,
    arguments: Sequence[str],
    folder: str,
    environment: Mapping[str, str],
    files: Sequence[int],
) -> int:
    """Run a program with its arguments in a fork, with these files as its first.

    Returns its exit code, or minus the signal that ended it.
    """
    command = {"arguments": arguments, "folder": folder, "environment": dict(environment)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(server))
        socket.send_fds(connection, [json.dumps(command).encode()], files)
        return int(connection.recv(8) or 1)


if __name__ == "__main__":
    if Path(sys.argv[1]).is_dir():
        serve(Path(sys.argv[1]), sys.argv[2:])
    else:
        code = call(sys.argv[1], sys.argv[2:], os.getcwd(), os.environ, [0, 1, 2])
        if code < 0:
            os.kill(os.getpid(), -code)
        sys.exit(code)
