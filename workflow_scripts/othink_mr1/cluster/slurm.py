"""Questions to Slurm itself: whether it would take a job, which machines it would run on."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

from othink_mr1.errors import UserError

# What snakemake's plugin calls on the machine that snakemake runs on; srun is called in the jobs.
_PROGRAMS = ("sbatch", "squeue", "scancel", "sinfo", "scontrol", "srun")
_SECONDS = 10.0  # a busy controller answers late
# --test-only refuses with these what sbatch itself queues: nodes that suffice are drained, down or reserved.
_WOULD_WAIT = ("Required node not available", "Requested nodes are busy")


def require_programs() -> None:
    """UserError if this machine cannot submit jobs."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        raise UserError(
            f"{', '.join(missing)}: not found; start snakemake on a login node of the cluster (perhaps after "
            "`module load slurm`), or without --profile slurm to compute on this machine"
        )


def refusal(arguments: Sequence[str]) -> str | None:
    """Why sbatch would not start a job with these arguments, in its words; None if it would."""
    command = ["sbatch", "--test-only", *arguments, "--wrap=true"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None  # the controller is busy: not the job's fault
    if done.returncode == 0:
        return None
    said = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in done.stderr.splitlines()]
    return next((line.removeprefix("allocation failure: ") for line in said if line), "it says nothing")


def would_wait(reason: str) -> bool:
    """Whether a job that is refused for this reason is queued all the same, until nodes are there again."""
    return reason.startswith(_WOULD_WAIT)


def hosts(partitions: str) -> set[str]:
    """The machines of partitions, with commas, by their own short names; of all if none is named."""
    chosen = [f"--partition={partitions}"] if partitions else ["--all"]
    return {host.partition(".")[0] for host in ask("sinfo", "--noheader", *chosen, "--format=%n").split()}


def forgets_after_seconds() -> int | None:
    """How long squeue lists a job that has ended (MinJobAge); None if the cluster does not say."""
    found = re.search(r"^MinJobAge\s*=\s*(\d+)", ask("scontrol", "show", "config"), re.MULTILINE)
    return int(found.group(1)) if found else None


def ask(*command: str) -> str:
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
