"""What a profile says of its cluster, beyond what Snakemake itself has a name for.

These are default resources of slurm/config.yaml, as that is the one place of a profile that the Snakefile can
read. Without such a profile there are none, and jobs ask for nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from othink_mr1.errors import UserError
from othink_mr1.study.execution import DeviceResources, Resources

# A resource of a rule: its value, or a function of the wildcards and of how often the job was tried.
Asked = int | str | Callable[..., int]
_HOURS = "longest_hours"


@dataclass(frozen=True)
class ClusterFacts:
    """gpu_partition: of the jobs with a GPU. gpu_type: None if any will do. longest_hours: no job asks for
    more; None if there is no limit. local_disk_is_shared: the nodes see what looks like this machine's disk.
    """

    gpu_partition: str | None = None
    gpu_type: str | None = None
    longest_hours: float | None = None
    local_disk_is_shared: bool = False


def cluster_facts(resources: Mapping[str, str]) -> ClusterFacts:
    """The facts among a profile's default resources, by their text there. UserError if one makes no sense."""
    text = {name: value.strip("'\" ") for name, value in resources.items()}
    try:
        hours = float(text[_HOURS]) if _HOURS in text else None
    except ValueError:
        hours = -1.0
    if hours is not None and hours <= 0:
        raise UserError(f"default-resources.{_HOURS}: must be a number of hours, got {text[_HOURS]!r}")
    shared = text.get("local_disk_is_shared", "False")
    if shared.lower() not in ("true", "false"):
        raise UserError(f"default-resources.local_disk_is_shared: must be true or false, got {shared!r}")
    return ClusterFacts(
        gpu_partition=text.get("gpu_partition"),
        gpu_type=text.get("gpu_type"),
        longest_hours=hours,
        local_disk_is_shared=shared.lower() == "true",
    )


def asked_resources(resources: Resources, facts: ClusterFacts) -> dict[str, Asked]:
    """What a job asks the cluster for. Its time grows with every attempt, up to the longest allowed."""
    minutes = round(resources.hours * 60)

    def runtime(wildcards: Any, attempt: int) -> int:
        # The first attempt as configured: if that is too long, it shall be said, not changed.
        if attempt == 1 or facts.longest_hours is None:
            return minutes * attempt
        return max(minutes, min(minutes * attempt, round(facts.longest_hours * 60)))

    asked: dict[str, Asked] = {
        "cpus_per_task": resources.cpus,
        "mem_mb": round(resources.memory_gb * 1000),
        "runtime": runtime,
    }
    if isinstance(resources, DeviceResources) and resources.gpus > 0:
        asked["gpu"] = resources.gpus
        if facts.gpu_partition:
            asked["slurm_partition"] = facts.gpu_partition
        if facts.gpu_type:
            asked["gpu_model"] = facts.gpu_type
    return asked
