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
    on_gpus = resources if isinstance(resources, DeviceResources) and resources.gpus > 0 else None
    partition = (facts.gpu_partition if on_gpus else None) or facts.slurm_partition or ""
    asked: dict[str, Asked] = {
        "cpus_per_task": on_gpus.cpus_per_process if on_gpus else resources.cpus,
        "mem_mb": max(1, round(resources.memory_gb * 1000)),
        "runtime": growing_time(max(1, round(resources.hours * 60)), partition, facts, limits),
    }
    if on_gpus:
        asked["gpu"] = on_gpus.gpus * on_gpus.nodes
        if on_gpus.processes > 1:
            asked |= _of_processes(on_gpus, facts)
        if facts.gpu_partition:
            asked["slurm_partition"] = facts.gpu_partition
        if facts.gpu_type:
            asked["gpu_model"] = facts.gpu_type
    return asked


def _of_processes(resources: DeviceResources, facts: ClusterFacts) -> dict[str, Asked]:
    """For a job that starts its processes itself by srun; "mpi" makes Snakemake's plugin leave that to it."""
    asked: dict[str, Asked] = {"mpi": "srun", "nodes": resources.nodes}
    if resources.gpus > 1:
        asked["tasks_per_node"] = resources.gpus
    else:  # one on each node; the plugin takes no tasks_per_node of 1
        asked |= {"tasks": resources.nodes, "tasks_per_gpu": 0}
    if resources.nodes > 1:  # or Slurm may give a node three GPUs of four
        gpu_type = f"{facts.gpu_type}:" if facts.gpu_type else ""
        asked["gres"] = f"gpu:{gpu_type}{resources.gpus}"
    return asked
