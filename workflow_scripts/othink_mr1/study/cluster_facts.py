"""What a profile says of its cluster, beyond what Snakemake itself has a name for.

These are default resources of slurm/config.yaml, as that is the one place of a profile that the Snakefile can
read. Without such a profile there are none, and jobs ask for nothing of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from othink_mr1.errors import UserError
from othink_mr1.study.execution import DeviceResources, Resources

# A resource of a rule: its value, or a function of the wildcards and of how often the job was tried.
Asked = int | str | Callable[..., int]


@dataclass(frozen=True)
class ClusterFacts:
    """partition: of jobs without a GPU; None for the cluster's own choice. gpu_partition: of those with one.

    gpu_type: None if any will do. local_disk_is_shared: the nodes see what looks like this machine's disk.
    """

    partition: str | None = None
    gpu_partition: str | None = None
    gpu_type: str | None = None
    local_disk_is_shared: bool = False


def cluster_facts(resources: Mapping[str, str]) -> ClusterFacts:
    """The facts among a profile's default resources, by their text there. UserError if one makes no sense."""
    text = {name: value.strip("'\" ") for name, value in resources.items()}
    shared = text.get("local_disk_is_shared", "False")
    if shared.lower() not in ("true", "false"):
        raise UserError(f"default-resources.local_disk_is_shared: must be true or false, got {shared!r}")
    return ClusterFacts(
        partition=text.get("slurm_partition"),
        gpu_partition=text.get("gpu_partition"),
        gpu_type=text.get("gpu_type"),
        local_disk_is_shared=shared.lower() == "true",
    )


def asked_resources(
    resources: Resources, facts: ClusterFacts, limits: Mapping[str, float]
) -> dict[str, Asked]:
    """What a job asks the cluster for. Its time grows with every attempt, up to its partition's limit.

    limits: partition -> minutes; read when a job is submitted, since Slurm is asked after the rules are read.
    """
    minutes = round(resources.hours * 60)
    has_gpu = isinstance(resources, DeviceResources) and resources.gpus > 0
    partition = facts.gpu_partition if has_gpu else facts.partition

    def runtime(wildcards: Any, attempt: int) -> int:
        # Never less than configured: what is too long shall be said, not changed.
        limit = limits.get(partition or "", math.inf)
        return max(minutes, math.floor(min(minutes * attempt, limit)))

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
