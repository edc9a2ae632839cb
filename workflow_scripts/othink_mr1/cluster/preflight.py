"""What can be known to fail on a Slurm cluster, said in one line before anything is submitted.

Checked are the jobs that are about to run, as they would be submitted. The last word has Slurm itself: each
kind of job is shown to `sbatch --test-only`, which queues nothing.
"""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from othink_mr1.cluster.connection import hub, unreachable
from othink_mr1.cluster.facts import ClusterFacts
from othink_mr1.cluster.shared_files import sharing_of
from othink_mr1.cluster.slurm import (
    NodeGroup,
    accounts,
    forgets_after_seconds,
    node_groups,
    refusal,
    require_programs,
)
from othink_mr1.config.sources import HubBackbone, HubSource, UrlSource
from othink_mr1.config.study import StudyConfig
from othink_mr1.config.suggest import unknown_name
from othink_mr1.errors import UserError
from othink_mr1.plan.folders import backbone_folder, raw_folder

_PROFILE = "slurm/config.yaml"
_NEEDED_BY = "jobs of rule"
_LONGEST_PAUSE_SECONDS = 180  # of snakemake's plugin between two questions to squeue


@dataclass(frozen=True)
class Request:
    """What the jobs of a rule ask for. Text: empty for the cluster's own choice.

    partition: perhaps several, with commas. gpus: of the whole job, on one node. extra: further arguments of
    sbatch.
    """

    rule: str
    partition: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    reservation: str = ""
    gpus: int = 0
    gpu_type: str = ""
    cpus: int = 1
    memory_mb: int = 0
    minutes: int = 0
    extra: str = ""

    def arguments(self) -> list[str]:
        """For sbatch. UserError if `extra` is no line of a shell."""
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
        }
        return [*(f"{option}={value}" for option, value in found.items() if value), *extra]


def check_cluster(requests: Iterable[Request], results: Path, facts: ClusterFacts) -> dict[str, float]:
    """UserError if the cluster cannot run the jobs, or its nodes cannot see their files.

    Returns the partitions' time limits in minutes, of those that have one.
    """
    require_programs()
    groups = node_groups()
    distinct = list(dict.fromkeys(requests))
    for request in distinct:
        _check_request(request, groups)
    check_accounts(distinct)
    used = [group for request in distinct for group in _groups_of(request, groups)]
    _check_shared(used, results, facts)
    shown: set[tuple[str, ...]] = set()
    for request in distinct:
        arguments = tuple(request.arguments())
        if arguments in shown:
            continue
        enough = [group for group in _groups_of(request, groups) if _suffices(group, request)]
        if enough and not any(group.can_run for group in enough):
            # sbatch --test-only would refuse what sbatch itself queues.
            print(
                f"{_NEEDED_BY} {request.rule} will wait: the nodes of partition {enough[0].partition} that "
                "suffice are drained or down",
                file=sys.stderr,
            )
        elif reason := refusal(arguments):
            raise UserError(
                f"Slurm would refuse {_NEEDED_BY} {request.rule} ({reason}): {' '.join(arguments)}; change "
                f"execution in config.yaml, or {_PROFILE}"
            )
        shown.add(arguments)
    limits = {}
    for group in groups:
        if group.minutes is not None:
            limits[group.partition] = group.minutes
            if group.is_default:
                limits[""] = group.minutes
    return limits


def warn_of_forgotten_jobs() -> None:
    """Say if squeue may forget an ended job before the plugin asks for it, which would then wait for ever."""
    seconds = forgets_after_seconds()
    if seconds is not None and seconds <= _LONGEST_PAUSE_SECONDS:
        print(
            f"warning: this cluster forgets ended jobs after {seconds} s (MinJobAge), while snakemake pauses "
            f"up to {_LONGEST_PAUSE_SECONDS} s; if it waits for a job that has ended, press Ctrl-C and start "
            "it again, or let it ask the accounting (slurm-status-command: sacct)",
            file=sys.stderr,
        )


def check_internet(config: StudyConfig, missing: Sequence[str]) -> None:
    """UserError if what is not downloaded yet cannot be: no connection to where it comes from.

    missing: folders below the results. With HF_HUB_OFFLINE the hub is not asked: its cache may have it.
    """
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
    """Folder of each download -> where it comes from."""
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


def _check_request(request: Request, groups: Sequence[NodeGroup]) -> None:
    known = sorted({group.partition for group in groups})
    for name in filter(None, request.partition.split(",")):
        if name not in known:
            raise UserError(f"{_PROFILE}: {unknown_name('partition with nodes', name, known)}")
    mine = _groups_of(request, groups)
    if not mine:
        return  # the cluster's own choice, and it names no default: sbatch will say
    if not any(group.is_up for group in mine):
        raise UserError(
            f"partition {request.partition}: is not up, {_NEEDED_BY} {request.rule} would wait; choose "
            f"another in {_PROFILE}, or try again later"
        )
    gpus = max(_gpus(group, request.gpu_type) for group in mine)
    if request.gpus and not gpus:
        types = sorted({kind for group in mine for kind in group.gpus if kind})
        kind = f" of type {request.gpu_type!r}" if request.gpu_type else ""
        has = f"; it has {', '.join(types)}" if types else ""
        raise UserError(
            f"{_PROFILE}: no node of partition {request.partition} has GPUs{kind}, which {_NEEDED_BY} "
            f"{request.rule} ask for{has}"
        )
    for asked, most, what in (
        (request.gpus, gpus, "GPUs"),
        (request.cpus, max(group.cpus for group in mine), "CPUs"),
        (request.memory_mb, max(group.memory_mb for group in mine), "MB of memory"),
    ):
        if asked > most:
            raise UserError(
                f"{_NEEDED_BY} {request.rule} ask for {asked} {what}, but a node of partition "
                f"{request.partition} has {most}; change execution in config.yaml, or the partition"
            )
    limit = min((group.minutes for group in mine if group.minutes is not None), default=None)
    if limit is not None and request.minutes > limit:
        raise UserError(
            f"{_NEEDED_BY} {request.rule} ask for {request.minutes / 60:g} hours, but partition "
            f"{request.partition} allows {limit / 60:g}; lower execution.*.hours in config.yaml: a training "
            "goes on where it was"
        )


def _groups_of(request: Request, groups: Sequence[NodeGroup]) -> list[NodeGroup]:
    names = request.partition.split(",")
    return [
        group for group in groups if group.partition in names or (not request.partition and group.is_default)
    ]


def _suffices(group: NodeGroup, request: Request) -> bool:
    return (
        _gpus(group, request.gpu_type) >= request.gpus
        and group.cpus >= request.cpus
        and group.memory_mb >= request.memory_mb
    )


def _gpus(group: NodeGroup, kind: str) -> int:
    return group.gpus.get(kind, 0) if kind else sum(group.gpus.values())


def check_accounts(requests: Sequence[Request]) -> None:
    """UserError if the user may not charge an account that a job asks for."""
    asked = {request.account for request in requests if request.account}
    if not asked:
        return
    known = accounts()
    if known is None:
        raise UserError(
            f"{_PROFILE}: slurm_account is {sorted(asked)[0]!r}, but this cluster keeps no accounts that can "
            "be asked for; leave slurm_account out"
        )
    for account in sorted(asked) if known else ():  # none: a database that tells this user nothing
        # Slurm itself tells no capitals from small letters here.
        if account.lower() not in {name.lower() for name in known}:
            raise UserError(f"{_PROFILE}: {unknown_name('account', account, known)}")


def _check_shared(groups: Sequence[NodeGroup], results: Path, facts: ClusterFacts) -> None:
    here = socket.gethostname().partition(".")[0]
    elsewhere = sorted({host for group in groups for host in group.hosts} - {here})
    if not elsewhere:
        return
    for place, remedy in (
        (results, "set `results` to a shared one (or let it be a link)"),
        (Path.cwd(), "clone the repository to a shared one"),
        (Path(sys.executable), "make .venv there, of a Python that is there, too"),
    ):
        sharing, kind = sharing_of(place)
        if sharing == "never" or (sharing == "local disk" and not facts.local_disk_is_shared):
            exported = "" if sharing == "never" else ", or say local_disk_is_shared if the nodes do see it"
            raise UserError(
                f"{place}: lies on {kind}, a file system of this machine, which {elsewhere[0]} cannot see; "
                f"{remedy}{exported} ({_PROFILE})"
            )
