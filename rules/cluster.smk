# What a job requests, and what only a Slurm cluster needs (--profile slurm): facts about the cluster, and checks
# before anything is submitted.

from collections import Counter
from math import ceil

from othink_mr1.cluster.facts import cluster_facts
from othink_mr1.cluster.job_resources import asked_resources
from othink_mr1.cluster.preflight import (
    Request,
    check_connections,
    check_slurm,
    warn_of_forgotten_jobs,
    warn_of_small_cards,
)
from othink_mr1.cluster.slurm import require_programs
from othink_mr1.cluster.time_limits import partition_limits
from othink_mr1.errors import UserError
from othink_mr1.plan.identity import canonical

# `raw` is the text in the profile; Snakemake's own default resources may have none.
with errors_in_one_line():
    facts = cluster_facts(
        {
            name: str(resource.raw)
            for name, resource in (
                workflow.resource_settings.default_resources or {}
            ).items()
            if resource.raw is not None
        }
    )
limits = {}  # partition -> minutes; filled when Slurm has been asked


def threads_of(stage):
    """Threads of a local job. A job with a GPU takes all cores, so that two do not run at once.

    Unless `--resources gpu=8` says how many there are: then as many run, each with a card (modeling/own_card.py).
    """
    asked = getattr(study.execution, stage)
    counted = "gpu" in workflow.resource_settings.resources
    return asked.cpus if counted or not getattr(asked, "gpus", 0) else workflow.cores


def asked_of(stage):
    """The resources that a Slurm job requests."""
    return asked_resources(getattr(study.execution, stage), facts, limits)


def execution_of(stage):
    """The execution settings of a stage, as the JSON that its program takes."""
    return canonical(getattr(study.execution, stage).model_dump(mode="json"))


def launcher_of(stage):
    """The command that starts a stage's program: for several processes, one per GPU, torchrun or Slurm's srun.

    By srun the signals of Slurm reach every process. When torchrun is told to end, or a process has died, the
    others have 50 seconds to save and end; srun kills them when one has died.
    """
    asked = getattr(study.execution, stage)
    if asked.processes == 1:
        return "python"
    if not workflow.remote_exec:
        return f"python -m torch.distributed.run --standalone --shutdown-timeout 50 --nproc-per-node {asked.gpus} --"
    return (
        f"srun --kill-on-bad-exit=1 --wait=0 --nodes={asked.nodes} --ntasks-per-node={max(1, asked.gpus)}"
        f" --cpus-per-task={asked.cpus_per_process} bash slurm/process.sh"
    )


def slurm_request(job, together):
    """What a job, or a group of `together` such jobs, will request from Slurm, as Snakemake's plugin computes it."""
    asked = job.resources
    settings = workflow.executor_settings
    # Snakemake assumes that a group has this machine's cores.
    abreast = max(1, min(together, workflow.cores // max(1, job.threads)))
    return Request(
        job.name,
        partition=str(asked.get("slurm_partition", "")),
        account=str(asked.get("slurm_account", "")),
        qos=str(asked.get("qos", settings.qos or "")),
        constraint=str(asked.get("constraint", "")),
        reservation=settings.reservation or "",
        gpus=asked.get("gpu", 0) * abreast,
        nodes=asked.get("nodes", 1),
        processes_per_node=asked.get("tasks_per_node", 1),
        gpu_type=asked.get("gpu_model", ""),
        cpus=asked.get("cpus_per_task", job.threads) * abreast,
        memory_mb=asked.get("mem_mb", 0) * abreast,
        minutes=asked.get("runtime", 0) * ceil(together / abreast),
        extra=asked.get("slurm_extra", ""),
    )


def check_cluster():
    """Report what cannot work before anything is submitted. Call it where the executor is known, as in onstart."""
    if workflow.executor_plugin.name == "slurm":
        jobs = list(workflow.dag.needrun_jobs())
        groups = Counter(job.group for job in jobs)
        size = workflow.group_settings.group_components
        # Rules whose jobs may have a GPU.
        stages = ("pretrain_backbone", "train_sft", "train_grpo", "generate_answers")
        warn_of_small_cards(
            study, facts, [job.output[0] for job in jobs if job.name in stages]
        )
        check_connections(
            study,
            [
                job.output[0]
                for job in jobs
                if job.name in ("download_dataset", "download_backbone")
            ],
        )
        requests = [
            slurm_request(job, min(size.get(job.group, 1), groups[job.group]))
            for job in jobs
            if not job.is_local
        ]
        if requests:
            require_programs()
            limits.update(partition_limits())
            check_slurm(requests, Path(study.results), facts, limits)
            if workflow.executor_settings.status_command == "squeue":
                warn_of_forgotten_jobs()
    elif study.execution.train.nodes > 1:
        raise UserError(
            f"execution.train.nodes: {study.execution.train.nodes}, which only --profile slurm can start; set it to 1"
        )
    elif (
        "SLURM_JOB_ID" in os.environ
        and workflow.resource_settings.resources.get("gpu", 1) != 1
    ):
        raise UserError(
            "--resources gpu: within a Slurm job, jobs get no card of their own; use --profile slurm, or leave it out"
        )
