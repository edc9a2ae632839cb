"""What a Slurm cluster says of itself: partitions with their nodes, and whether it would take a job."""

from __future__ import annotations

import getpass
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from othink_mr1.errors import UserError

# What snakemake's plugin calls on the machine that snakemake runs on; srun is called in the jobs.
_PROGRAMS = ("sbatch", "squeue", "scancel", "sinfo", "scontrol", "srun")
_SECONDS = 2.5
_MINUTES_A_UNIT = (24 * 60, 60, 1, 1 / 60)


@dataclass(frozen=True)
class NodeGroup:
    """Equal nodes of a partition. gpus: type -> how many a node has, `` for GPUs without a type.

    minutes: the partition's time limit, None if it has none. hosts: the machines, by their own short names.
    """

    partition: str
    is_up: bool
    minutes: float | None
    gpus: dict[str, int]
    cpus: int
    memory_mb: int
    hosts: frozenset[str]


def require_programs() -> None:
    """UserError if this machine cannot submit jobs."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        raise UserError(
            f"{', '.join(missing)}: not found; start snakemake on a login node of the cluster (perhaps after "
            "`module load slurm`), or without --profile slurm to compute on this machine"
        )


def node_groups() -> list[NodeGroup]:
    """All partitions of the cluster. UserError if it does not answer."""
    # %R is the partition without the asterisk of the default one.
    lines = _ask("sinfo", "--noheader", "--exact", "--format=%R|%a|%l|%G|%c|%m|%n").splitlines()
    groups: dict[tuple[str, ...], set[str]] = {}
    for line in lines:
        *rest, host = line.split("|")
        groups.setdefault(tuple(rest), set()).add(host.partition(".")[0])
    return [
        NodeGroup(
            partition=partition,
            is_up=availability == "up",
            minutes=minutes_of(limit),
            gpus=gpus_of(gres),
            cpus=int(cpus.rstrip("+")),
            memory_mb=int(memory.rstrip("+")),
            hosts=frozenset(hosts),
        )
        for (partition, availability, limit, gres, cpus, memory), hosts in groups.items()
    ]


def accounts() -> list[str] | None:
    """The accounts that the user may charge; None if the cluster keeps none that can be asked for."""
    if shutil.which("sacctmgr") is None:
        return None
    command = ("sacctmgr", "-nP", "list", "associations", f"user={getpass.getuser()}", "format=account")
    try:
        lines = _ask(*command).splitlines()
    except UserError:
        return None
    return sorted({line.strip() for line in lines if line.strip()})


def refusal(arguments: Sequence[str]) -> str | None:
    """Why sbatch would refuse a job with these arguments, in its words; None if it would take it."""
    command = ["sbatch", "--test-only", *arguments, "--wrap=true"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None  # the controller is busy: not the job's fault
    if done.returncode == 0:
        return None
    said = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in done.stderr.splitlines()]
    return next((line.removeprefix("allocation failure: ") for line in said if line), "it says nothing")


def minutes_of(limit: str) -> float | None:
    """A time limit as Slurm writes it: `2-00:00:00`, `1:30:00`, `30:00`; None for `infinite`."""
    if not re.fullmatch(r"(\d+-)?\d+(:\d+){0,2}", limit):
        return None
    days, _, clock = limit.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    # With days the parts begin with hours, without days they end with seconds; a single number is minutes.
    units = _MINUTES_A_UNIT[1:] if days or len(parts) == 3 else _MINUTES_A_UNIT[2:]
    return int(days or 0) * _MINUTES_A_UNIT[0] + sum(p * u for p, u in zip(parts, units, strict=False))


def gpus_of(gres: str) -> dict[str, int]:
    """GPUs by type, from a node's list of generic resources: `gpu:a100:4(S:0-1),shard:8` -> {a100: 4}."""
    found: dict[str, int] = {}
    for kind, count in re.findall(r"(?:^|,)gpu(?::([^:,()]+(?=:)))?:(\d+)", gres):
        found[kind] = found.get(kind, 0) + int(count)
    return found


def _ask(*command: str) -> str:
    """What a program prints. UserError if it fails or does not answer."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=True
        ).stdout.strip()
    except subprocess.TimeoutExpired:
        said = f"no answer in {_SECONDS:.0f} s"
    except subprocess.CalledProcessError as error:
        said = next((line for line in error.stderr.splitlines() if line.strip()), "it says nothing")
    raise UserError(
        f"{command[0]} fails ({said}); ask the cluster's staff whether Slurm is up, then try again"
    )
