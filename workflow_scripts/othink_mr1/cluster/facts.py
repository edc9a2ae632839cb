"""Facts about the cluster in a profile for which Snakemake has no settings of its own.

They are default resources of slurm/config.yaml, the only part of a profile that the Snakefile can
read. Without such a profile there are none, and jobs request nothing from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches

from othink_mr1.errors import UserError

# What else slurm/config.yaml has: Snakemake's plugin reads these, and says nothing of a misspelt one.
_OTHERS = ("slurm_account", "qos", "constraint", "slurm_extra")


@dataclass(frozen=True)
class ClusterFacts:
    """slurm_partition: None for the cluster's default. gpu_partition: for jobs with a GPU; None: the same.

    Both may list several, separated by commas. gpu_type: None for any. longest_hours: the most a retry may
    request; None for the partition's limit. local_disk_is_shared: the nodes see what looks like a local disk
    of this machine.
    """

    slurm_partition: str | None = None
    gpu_partition: str | None = None
    gpu_type: str | None = None
    longest_hours: float | None = None
    local_disk_is_shared: bool = False


def cluster_facts(resources: Mapping[str, str]) -> ClusterFacts:
    """The facts among a profile's default resources, from their text. UserError if one is invalid."""
    text = {name: value.strip("'\" ") for name, value in resources.items()}
    names = [*(field.name for field in fields(ClusterFacts)), *_OTHERS]
    for name in text.keys() - {*names}:
        if near := get_close_matches(name, names, n=1, cutoff=0.8):
            raise UserError(f"default-resources.{name}: unknown; did you mean {near[0]}?")
    hours = text.get("longest_hours")
    if hours is not None and not re.fullmatch(r"\d+(\.\d+)?", hours):
        raise UserError(f"default-resources.longest_hours: must be a number of hours, got {hours!r}")
    gpu_type = text.get("gpu_type")
    if gpu_type is not None and not re.fullmatch(r"[\w.]+", gpu_type):
        raise UserError(
            f"default-resources.gpu_type: snakemake's plugin takes letters, digits, _ and . alone, got "
            f"{gpu_type!r}; choose the nodes by `constraint` instead"
        )
    shared = text.get("local_disk_is_shared", "False")
    if shared.lower() not in ("true", "false"):
        raise UserError(f"default-resources.local_disk_is_shared: must be true or false, got {shared!r}")
    return ClusterFacts(
        slurm_partition=text.get("slurm_partition"),
        gpu_partition=text.get("gpu_partition"),
        gpu_type=gpu_type,
        longest_hours=None if hours is None else float(hours),
        local_disk_is_shared=shared.lower() == "true",
    )
