"""What this machine's GPU makes of the study's code: correctness, kernels, time, memory. Minutes in all.

    make gpu-check                                 all sections, on a GPU
    make gpu-check ONLY="correctness attention"    some of them
    python tests/gpu/check.py --cpu-tiny           the same on a CPU at tiny sizes: a test of the check itself

Each section is a process of its own with a time limit, forked from this one, which has imported everything
and touched no GPU. So a section that hangs is ended, and none inherits another's memory. What is measured
stands in gpu_check.json after every value: below $OUT if that is set, else in results/gpu-check/.
The exit code is 1 if a section failed, 0 if all passed or were skipped.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STARTED = time.monotonic()
sys.path[:0] = [str(ROOT / "workflow_scripts"), str(ROOT / "tests")]
# Nothing is fetched: neither weights nor news of them.
os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import torch  # noqa: E402

from gpu.record import Record, Skipped  # noqa: E402
from gpu.shapes import Shapes, study_shapes, tiny_shapes  # noqa: E402

# Section (a module of gpu/sections) -> the seconds that it may take. In the order of their worth, if the
# machine is taken away.
LIMITS = {
    "environment": 30.0,
    "correctness": 60.0,
    "attention": 60.0,
    "grpo_step": 75.0,
    "evaluation_batch": 60.0,
    "sft_step": 60.0,
    "resume": 60.0,
    "saving": 45.0,
    "trl_step": 110.0,
}
RunSection = Callable[[Record, Shapes], None]
# Names of this repository's own modules: that one of them is missing is no matter of the machine.
OWN = ("othink_mr1", "gpu", "tiny")
_FORK = multiprocessing.get_context("fork")


def main() -> int:
    """Run the chosen sections. Returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = list(LIMITS)
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--cpu-tiny", action="store_true", help="tiny sizes on the CPU")
    parser.add_argument("--seconds", type=float, default=290.0, help="no section runs on after this time")
    parser.add_argument("--commit", default=_commit(), help="of this code, where git cannot tell it")
    arguments = parser.parse_args()
    if not arguments.cpu_tiny and not _there_is_a_gpu():
        print("gpu-check: this machine shows no GPU; --cpu-tiny tries the check on the CPU", file=sys.stderr)
        return 2
    output = Path(os.environ.get("OUT") or ROOT / "results" / "gpu-check") / "gpu_check.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    shapes = tiny_shapes() if arguments.cpu_tiny else study_shapes()
    report = {
        "commit": arguments.commit,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "device": shapes.device.type,
        "sections": {},
    }

    def keep() -> None:
        _write(output, report | {"seconds": round(time.monotonic() - STARTED, 1)})

    # Imported here, all before the first is run, so that what they import is imported once.
    sections = {name: _load(name) for name in LIMITS if name in arguments.only}
    for name, section in sections.items():
        entry = report["sections"][name] = {"status": "running", "values": {}, "failed": {}}
        limit = min(LIMITS[name], arguments.seconds - (time.monotonic() - STARTED))
        run_section(section, shapes, limit, entry, keep)
        print(_summary(name, entry), flush=True)
    states = {name: entry["status"] for name, entry in report["sections"].items()}
    said = [f"{state}: {' '.join(names)}" for state, names in _by_state(states).items()]
    print(f"{'; '.join(said)}. {time.monotonic() - STARTED:.0f} s, {output}")
    bad = [name for name, state in states.items() if state in ("failed", "cut")]
    return 1 if bad else 0


def _by_state(states: dict[str, str]) -> dict[str, list[str]]:
    return {
        state: [name for name in states if states[name] == state] for state in dict.fromkeys(states.values())
    }


def _load(name: str) -> RunSection:
    """The section's `run`; one that says why it is skipped, if a package is missing."""
    try:
        run: RunSection = importlib.import_module(f"gpu.sections.{name}").run
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.partition(".")[0] in OWN:
            raise

        def run(record: Record, shapes: Shapes) -> None:
            raise Skipped(f"the package {missing} is not installed; make gpu-wheels fetches it")

    return run


def run_section(
    section: RunSection, shapes: Shapes, limit: float, entry: dict[str, Any], keep: Callable[[], None]
) -> None:
    """Run one section in a process of its own and fill its entry; keep is called after every value."""
    if limit <= 0:
        entry.update(status="skipped", reason="no time was left")
        keep()
        return
    receiver, sender = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_in_child, args=(section, shapes, sender))
    started = time.monotonic()
    process.start()
    sender.close()
    while (left := started + limit - time.monotonic()) > 0 and receiver.poll(left):
        try:
            kind, name, value = receiver.recv()
        except EOFError:
            break
        if kind == "value":
            entry["values"][name] = value
        elif kind == "failed":
            entry["failed"][name] = value
        else:
            entry["reason"] = value
        keep()
    process.join(max(0.0, started + limit - time.monotonic()))
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)  # with what it has started
        process.join()
        entry.update(status="cut", reason=f"took longer than {limit:.0f} s")
    elif "reason" in entry:
        entry["status"] = "skipped"
    else:
        if process.exitcode:
            entry["failed"].setdefault("process", f"exit code {process.exitcode}")
        entry["status"] = "failed" if entry["failed"] else "passed"
    entry["seconds"] = round(time.monotonic() - started, 1)
    keep()


def _in_child(section: RunSection, shapes: Shapes, sender: Connection) -> None:
    os.setsid()
    if shapes.device.type == "cpu":  # several threads wait for each other on a machine that has other work
        torch.set_num_threads(1)
    record = Record(sender.send)
    try:
        section(record, shapes)
    except (Skipped, torch.OutOfMemoryError) as error:
        record.skipped(str(error).splitlines()[0])
    except Exception as error:  # told, and raised again: the parent sees the exit code
        record.failed("process", f"{type(error).__name__}: {error}"[:400])
        raise


def _there_is_a_gpu() -> bool:
    """Asked in a child: a process that has asked cannot fork others that use the GPU."""
    process = _FORK.Process(target=lambda: sys.exit(0 if torch.cuda.is_available() else 1))
    process.start()
    process.join()
    return process.exitcode == 0


def _commit() -> str | None:
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None


def _write(file: Path, report: dict[str, Any]) -> None:
    """Aside, then renamed: a cut leaves the last whole report."""
    aside = file.with_suffix(".tmp")
    aside.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    aside.replace(file)


def _summary(name: str, entry: dict[str, Any]) -> str:
    lines = [f"{name}: {entry['status']}, {entry.get('seconds', 0)} s"]
    lines += [f"  {entry['reason']}"] if "reason" in entry else []
    lines += [f"  FAILED {value}: {what}" for value, what in entry["failed"].items()]
    lines += [f"  {value} {measured}" for value, measured in entry["values"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
