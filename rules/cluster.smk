# What only a Slurm cluster needs (--profile slurm): its facts, and checks before anything is submitted.

from collections import Counter

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
    return Request(
        job.name,
        partition=str(asked.get("slurm_partition", "")),
        account=str(asked.get("slurm_account", "")),
        gpus=asked.get("gpu", 0) * together,
        gpu_type=asked.get("gpu_model", ""),
        cpus=asked.get("cpus_per_task", job.threads) * together,
        memory_mb=asked.get("mem_mb", 0) * together,
        minutes=asked.get("runtime", 0),
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
        )
