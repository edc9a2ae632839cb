"""Queries to Slurm: whether it would accept a job, and on which machines the job would run."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

from othink_mr1.errors import UserError

# Programs that snakemake's plugin calls on the machine where snakemake runs; srun is called in the jobs.
_PROGRAMS = ("sbatch", "squeue", "scancel", "sinfo", "scontrol", "srun")
_SECONDS = 10.0  # a busy controller answers slowly
_NO_NODES = (
    "Requested node configuration is not available",
    "Required node not available",
    "Requested nodes are busy",
)


def require_programs() -> None:
    """UserError if this machine cannot submit jobs."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        raise UserError(
            f"{', '.join(missing)}: not found; start snakemake on a login node of the cluster (perhaps after "
            "`module load slurm`), or without --profile slurm to compute on this machine"
        )


def refusal(arguments: Sequence[str]) -> str | None:
    """Why sbatch would refuse a job with these arguments, in its own words; None if it would accept it."""
    command = ["sbatch", "--test-only", *arguments, "--wrap=true"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None  # the controller is busy, which is not the job's fault
    if done.returncode == 0:
        return None
    said = done.stderr.splitlines()
    # A site's plugin may have said something before.
    errors = [line for line in said if line.startswith(("sbatch: error: ", "allocation failure: "))]
    reason = next(filter(None, [*errors, *said]), "it says nothing")
    return reason.removeprefix("sbatch: ").removeprefix("error: ").removeprefix("allocation failure: ")


def is_of_the_nodes(reason: str) -> bool:
    """Whether sbatch refuses for lack of suitable nodes; it says the same if they are drained or down."""
    return reason.startswith(_NO_NODES)


def nodes(partitions: str) -> list[tuple[str, bool]]:
    """The nodes of the partitions (separated by commas), or of all partitions if none is named.

    For each node: its short host name, and whether it accepts jobs, now or when others are done.
    """
    chosen = [f"--partition={partitions}"] if partitions else ["--all"]
    lines = ask("sinfo", "--noheader", *chosen, "--Node", "--format=%n %T").splitlines()
    found = (line.split() for line in lines)
    return [(host.partition(".")[0], _takes_jobs(state)) for host, state in found]


def _takes_jobs(state: str) -> bool:
    # A suffix says more: * does not answer, ~ powered down, # powering up.
    return not state.startswith(("down", "drain", "fail", "maint", "unknown", "inval")) and "*" not in state


def forgets_after_seconds() -> int | None:
    """How long squeue lists a job that has ended (MinJobAge); None if the cluster does not say."""
    found = re.search(r"^MinJobAge\s*=\s*(\d+)", ask("scontrol", "show", "config"), re.MULTILINE)
    return int(found.group(1)) if found else None


def ask(*command: str) -> str:
    """The output of a program. UserError if it fails or does not answer."""
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
