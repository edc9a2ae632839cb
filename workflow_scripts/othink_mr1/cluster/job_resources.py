"""The resources that a Slurm job requests: amounts from the config, partitions from the profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from othink_mr1.cluster.facts import ClusterFacts
from othink_mr1.cluster.time_limits import growing_time
from othink_mr1.config.execution import DeviceResources, Resources

# A resource of a rule: its value, or a function of the wildcards and the attempt number.
Asked = int | str | Callable[..., int]


def asked_resources(
    resources: Resources, facts: ClusterFacts, limits: Mapping[str, float]
) -> dict[str, Asked]:
    """The resources of a rule. limits: see growing_time."""
    has_gpu = isinstance(resources, DeviceResources) and resources.gpus > 0
    partition = (facts.gpu_partition if has_gpu else None) or facts.slurm_partition or ""
    asked: dict[str, Asked] = {
        "cpus_per_task": resources.cpus,
        "mem_mb": round(resources.memory_gb * 1000),
        "runtime": growing_time(round(resources.hours * 60), partition, facts, limits),
    }
    if isinstance(resources, DeviceResources) and resources.gpus > 0:
        asked["gpu"] = resources.gpus
        if facts.gpu_partition:
            asked["slurm_partition"] = facts.gpu_partition
        if facts.gpu_type:
            asked["gpu_model"] = facts.gpu_type
    return asked
