"""Checks for a Slurm cluster: what would fail is reported in one line before anything is submitted.

The jobs about to run are checked as they would be submitted: each kind of job is tested with
`sbatch --test-only`, which queues nothing.
"""

from __future__ import annotations

import math
import os
import shlex
import socket
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from othink_mr1.cluster.connection import hub, unreachable
from othink_mr1.cluster.facts import ClusterFacts
from othink_mr1.cluster.shared_files import sharing_of
from othink_mr1.cluster.slurm import forgets_after_seconds, is_of_the_nodes, nodes, refusal
from othink_mr1.config.sources import HubBackbone, HubSource, UrlSource
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.plan.folders import backbone_folder, raw_folder

_PROFILE = "slurm/config.yaml"
_LONGEST_PAUSE_SECONDS = 180  # between two squeue calls of snakemake's plugin


@dataclass(frozen=True)
class Request:
    """What the jobs of a rule request. Empty strings: the cluster's default.

    partition: may list several, separated by commas. gpus: of the whole job; cpus: of each process;
    memory_mb: of each node. extra: further arguments of sbatch.
    """

    rule: str
    partition: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    reservation: str = ""
    gpus: int = 0
    gpu_type: str = ""
    nodes: int = 1
    processes_per_node: int = 1
    cpus: int = 1
    memory_mb: int = 0
    minutes: int = 0
    extra: str = ""

    def arguments(self) -> list[str]:
        """Arguments for sbatch. UserError if `extra` is not a valid shell line."""
        try:
            extra = shlex.split(self.extra)
        except ValueError as error:
            raise UserError(f"{_PROFILE}: slurm_extra: {error} in {self.extra!r}") from None
        gpu_type = f"{self.gpu_type}:" if self.gpu_type else ""
        found = {
            "--partition": self.partition,
            "--account": self.account,
            "--qos": self.qos,
            "--constraint": self.constraint,
            "--reservation": self.reservation,
            "--gpus": self.gpus and f"{gpu_type}{self.gpus}",
            "--mem": self.memory_mb,
            "--time": self.minutes,
            "--cpus-per-task": self.cpus,
            "--nodes": self.nodes,
        }
        if self.nodes > 1:
            found["--gres"] = f"gpu:{gpu_type}{self.gpus // self.nodes}"
        if self.nodes > 1 or self.processes_per_node > 1:
            found["--ntasks-per-node"] = self.processes_per_node
        return [*(f"{option}={value}" for option, value in found.items() if value), *extra]


def check_slurm(
    requests: Iterable[Request], results: Path, facts: ClusterFacts, limits: Mapping[str, float]
) -> None:
    """UserError if the cluster would refuse a job, or its nodes cannot see the job's files.

    limits: partition -> minutes, as Slurm may queue a job that requests more forever.
    """
    distinct = {tuple(request.arguments()): request for request in requests}
    for arguments, request in distinct.items():
        for partition in request.partition.split(","):
            if request.minutes > limits.get(partition, math.inf):
                name = f"partition {partition}" if partition else "the default partition"
                raise UserError(
                    f"jobs of rule {request.rule} ask for {request.minutes / 60:g} hours, but {name} "
                    f"allows {limits[partition] / 60:g}; lower execution.*.hours in config.yaml: "
                    "a training that reaches the limit resumes in the next attempt"
                )
        reason = refusal(arguments)
        if reason is None:
            continue
        # --test-only gives the same reason for drained or down nodes as for nodes that are too small, but
        # for the former sbatch itself queues the job.
        if not is_of_the_nodes(reason) or all(takes_jobs for _, takes_jobs in nodes(request.partition)):
            raise UserError(
                f"Slurm would refuse jobs of rule {request.rule} ({reason}): {' '.join(arguments)}; change "
                f"execution in config.yaml, or {_PROFILE}"
            )
        print(
            f"jobs of rule {request.rule} may wait for nodes of partition {request.partition} that are "
            f"drained or down ({reason})",
            file=sys.stderr,
        )
    for partitions in dict.fromkeys(request.partition for request in distinct.values()):
        _check_shared({host for host, _ in nodes(partitions)}, results, facts)


def warn_of_forgotten_jobs() -> None:
    """Warn if squeue may forget an ended job before the plugin asks for it, which would then wait forever."""
    seconds = forgets_after_seconds()
    if seconds is not None and seconds <= _LONGEST_PAUSE_SECONDS:
        print(
            f"warning: this cluster forgets ended jobs after {seconds} s (MinJobAge), while snakemake pauses "
            f"up to {_LONGEST_PAUSE_SECONDS} s; if it waits for a job that has ended, press Ctrl-C and start "
            "it again, or let it ask the accounting (slurm-status-command: sacct)",
            file=sys.stderr,
        )


def warn_of_small_cards(config: StudyConfig, facts: ClusterFacts, made: Collection[str]) -> None:
    """Warn if a job probably needs more GPU memory than the profile's gpu_type has.

    No more than a warning: no GPU has confirmed the estimate. made: manifests of the jobs that will run.
    """
    # Imported here, as every job's Snakemake imports this module.
    from othink_mr1.cost.cards import card_of
    from othink_mr1.cost.table import study_jobs

    card = None if facts.gpu_type is None else card_of(facts.gpu_type)
    if card is None:
        return
    folders = {Path(manifest).parent.relative_to(config.results).as_posix() for manifest in made}
    jobs = [
        job
        for job in study_jobs(config)[0]
        if job.folder in folders and getattr(config.execution, job.stage).gpus
    ]
    largest = max(jobs, key=lambda job: job.cost.gpu, default=None)
    if largest is not None and largest.cost.gpu > card.memory_gb * 1e9:
        print(
            f"warning: {largest.folder} may need {largest.cost.gpu / 1e9:,.0f} GB of GPU memory, and "
            f"{facts.gpu_type} has {card.memory_gb:g} (an estimate, never measured: docs/cost.md); lower "
            "execution.*.row_tokens, set gradient_checkpointing: true, or train on several GPUs with "
            "sharding: fsdp2",
            file=sys.stderr,
        )


def check_connections(config: StudyConfig, downloads: Sequence[str]) -> None:
    """UserError if a missing download is impossible because its host cannot be reached.

    downloads: manifests to be downloaded. With HF_HUB_OFFLINE the hub is not tried: the cache may suffice.
    """
    missing = [str(Path(manifest).parent.relative_to(config.results)) for manifest in downloads]
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    addresses = {}
    for folder, address in _addresses(config).items():
        if folder in missing and not (offline and address == hub()):
            addresses[folder] = address
    reasons = unreachable(addresses.values())
    for folder, address in addresses.items():
        if address in reasons:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise UserError(
                f"{folder}{more}: not downloaded yet, and {address} cannot be reached from here "
                f"({reasons[address]}); run `snakemake download` on a machine with internet and the same "
                "results, or see docs/downloads.md on mirrors and proxies"
            )


def _addresses(config: StudyConfig) -> dict[str, str]:
    """Folder of each download -> its address."""
    found = {}
    for name, source in config.sources.items():
        if isinstance(source, HubSource):
            found[raw_folder(config, name)] = hub()
        elif isinstance(source, UrlSource):
            found[raw_folder(config, name)] = source.base_url
    for name, backbone in config.backbones.items():
        if isinstance(backbone, HubBackbone):
            found[backbone_folder(config, name)] = hub()
    return found


def _check_shared(nodes: set[str], results: Path, facts: ClusterFacts) -> None:
    elsewhere = sorted(nodes - {socket.gethostname().partition(".")[0]})
    if not elsewhere:
        return
    for place, remedy in (
        (results, "set `results` to a shared one (or let it be a link)"),
        (Path.cwd(), "clone the repository to a shared one"),
        (Path(sys.executable), "create .venv on a shared one, with a Python that is on a shared one"),
    ):
        sharing, kind = sharing_of(place)
        if sharing == "never" or (sharing == "local disk" and not facts.local_disk_is_shared):
            exported = "" if sharing == "never" else ", or set local_disk_is_shared: true if the nodes see it"
            raise UserError(
                f"{place}: lies on {kind}, a file system of this machine, which {elsewhere[0]} cannot see; "
                f"{remedy}{exported} ({_PROFILE})"
            )
