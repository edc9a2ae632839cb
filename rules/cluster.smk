# What only a Slurm cluster needs (--profile slurm): its facts, and checks before anything is submitted.

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


def slurm_request(job):
    """What a job will ask Slurm for, as Snakemake's plugin does."""
    asked = job.resources
    return Request(
        job.name,
        partition=str(asked.get("slurm_partition", "")),
        account=str(asked.get("slurm_account", "")),
        gpus=asked.get("gpu", 0),
        gpu_type=asked.get("gpu_model", ""),
        cpus=asked.get("cpus_per_task", job.threads),
        memory_mb=asked.get("mem_mb", 0),
        minutes=asked.get("runtime", 0),
        extra=asked.get("slurm_extra", ""),
    )


def check_cluster():
    """Say what cannot work before anything is submitted. Only where the executor is known, as in onstart."""
    if workflow.executor_plugin.name == "slurm":
        jobs = list(workflow.dag.needrun_jobs())
        study.preflight(
            [slurm_request(job) for job in jobs if not job.is_local],
            [
                job.output[0]
                for job in jobs
                if job.name in ("download_dataset", "download_backbone")
            ],
        )
