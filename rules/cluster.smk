# What only a Slurm cluster needs (--profile slurm): its facts, and checks before anything is submitted.

from collections import Counter
from math import ceil

# `raw` is the profile's text; Snakemake's own default resources may have none.
study.read_cluster(
    {
        name: str(resource.raw)
        for name, resource in (
            workflow.resource_settings.default_resources or {}
        ).items()
        if resource.raw is not None
    }
)


def slurm_request(job, together):
    """What a job, or so many like it that are one, will ask Slurm for, as Snakemake's plugin does."""
    asked = job.resources
    settings = workflow.executor_settings
    # Snakemake itself thinks that a group has this machine's cores.
    abreast = max(1, min(together, workflow.cores // max(1, job.threads)))
    return Request(
        job.name,
        partition=str(asked.get("slurm_partition", "")),
        account=str(asked.get("slurm_account", "")),
        qos=str(asked.get("qos", settings.qos or "")),
        constraint=str(asked.get("constraint", "")),
        reservation=settings.reservation or "",
        gpus=asked.get("gpu", 0) * abreast,
        gpu_type=asked.get("gpu_model", ""),
        cpus=asked.get("cpus_per_task", job.threads) * abreast,
        memory_mb=asked.get("mem_mb", 0) * abreast,
        minutes=asked.get("runtime", 0) * ceil(together / abreast),
        extra=asked.get("slurm_extra", ""),
    )


def check_cluster():
    """Say what cannot work before anything is submitted. Only where the executor is known, as in onstart."""
    if workflow.executor_plugin.name == "slurm":
        jobs = list(workflow.dag.needrun_jobs())
        groups = Counter(job.group for job in jobs)
        size = workflow.group_settings.group_components
        study.preflight(
            [
                slurm_request(job, min(size.get(job.group, 1), groups[job.group]))
                for job in jobs
                if not job.is_local
            ],
            [
                job.output[0]
                for job in jobs
                if job.name in ("download_dataset", "download_backbone")
            ],
            workflow.executor_settings.status_command == "squeue",
        )
