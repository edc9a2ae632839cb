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
_SECONDS = 10.0  # a busy controller answers late
_MINUTES_A_UNIT = (24 * 60, 60, 1, 1 / 60)


@dataclass(frozen=True)
class NodeGroup:
    """Equal nodes of a partition. gpus: type -> how many a node has, `` for GPUs without a type.

    minutes: the partition's time limit, None if it has none. hosts: the machines, by their own short names.
    is_default: jobs that name no partition go to this one. is_up: the partition takes jobs. can_run: the
    nodes are not drained, down or reserved for maintenance.
    """

    partition: str
    is_default: bool
    is_up: bool
    can_run: bool
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
    # --all: hidden partitions may be used, too. %P has an asterisk at the default one.
    lines = _ask("sinfo", "--all", "--noheader", "--exact", "--format=%P|%a|%l|%G|%c|%m|%T|%n").splitlines()
    groups: dict[tuple[str, ...], set[str]] = {}
    for line in lines:
        *rest, host = line.split("|")
        groups.setdefault(tuple(rest), set()).add(host.partition(".")[0])
    return [
        NodeGroup(
            partition=partition.rstrip("*"),
            is_default=partition.endswith("*"),
            is_up=availability == "up",
            can_run=_can_run(state),
            minutes=minutes_of(limit),
            gpus=gpus_of(gres),
            cpus=int(cpus.rstrip("+")),
            memory_mb=int(memory.rstrip("+")),
            hosts=frozenset(hosts),
        )
        for (partition, availability, limit, gres, cpus, memory, state), hosts in groups.items()
        if hosts != {""}  # a partition without nodes
    ]


def _can_run(state: str) -> bool:
    """Whether a node in this state, as sinfo writes it, takes jobs, now or when others are done."""
    # A mark at the end says more: * does not answer, ~ asleep, # waking up.
    return not state.startswith(("down", "drain", "fail", "maint", "unknown", "inval")) and "*" not in state


def forgets_after_seconds() -> int | None:
    """How long squeue lists a job that has ended (MinJobAge); None if the cluster does not say."""
    found = re.search(r"^MinJobAge\s*=\s*(\d+)", _ask("scontrol", "show", "config"), re.MULTILINE)
    return int(found.group(1)) if found else None


def accounts() -> list[str] | None:
    """The accounts that the user may charge; None if the cluster keeps none that can be asked for.

    Empty if its database does not answer in time, or tells this user nothing.
    """
    command = ("sacctmgr", "-nP", "list", "associations", f"user={getpass.getuser()}", "format=account")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired:
        return []
    if done.returncode != 0:
        return None
    return sorted({line.strip() for line in done.stdout.splitlines() if line.strip()})


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
