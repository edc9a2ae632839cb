# Backbones, and the study's training runs. Inputs are ancient(): their identity is in the output's path,
# so a newer file time must never retrain anything. Outputs are update(): otherwise Snakemake would delete a
# manifest before it repeats a job, and weeks of training would be lost with it.


localrules:
    download_backbone,
    import_backbone,


rule download_backbone:
    output:
        update("<results>/backbones/{backbone}/manifest.json"),
    log:
        "<results>/logs/download_backbone/{backbone}.log",
    benchmark:
        "<results>/benchmarks/download_backbone/{backbone}.tsv"
    wildcard_constraints:
        backbone=any_of(name for name, row in backbones.items() if row.kind == "hub"),
    conda:
        "../envs/analysis.yaml"
    # One download at a time: two would both count on the same free space.
    threads: workflow.cores
    params:
        backbone=lambda wildcards: backbones[wildcards.backbone].settings,
        lock=LOCK_FILE,
    shell:
        "python workflow_scripts/download_backbone.py --backbone {params.backbone:q} --lock {params.lock}"
        " --output $(dirname {output}) > {log} 2>&1"


rule import_backbone:
    output:
        update("<results>/backbones/{backbone}/manifest.json"),
    log:
        "<results>/logs/import_backbone/{backbone}.log",
    benchmark:
        "<results>/benchmarks/import_backbone/{backbone}.tsv"
    wildcard_constraints:
        backbone=any_of(name for name, row in backbones.items() if row.kind == "local"),
    conda:
        "../envs/analysis.yaml"
    threads: workflow.cores
    params:
        backbone=lambda wildcards: backbones[wildcards.backbone].settings,
        # The content's sha256 is in the folder's name; this one is compared.
        sha256=lambda wildcards: backbones[wildcards.backbone].content,
    shell:
        "python workflow_scripts/import_backbone.py --backbone {params.backbone:q} --sha256 {params.sha256}"
        " --output $(dirname {output}) > {log} 2>&1"


rule pretrain_backbone:
    input:
        examples=ancient(
            collect(
                "<results>/data/{data_set}/manifest.json",
                data_set=lambda wildcards: backbones[
                    wildcards.backbone
                ].examples.values(),
            )
        ),
    output:
        update("<results>/backbones/{backbone}/manifest.json"),
    log:
        "<results>/logs/pretrain_backbone/{backbone}.log",
    benchmark:
        "<results>/benchmarks/pretrain_backbone/{backbone}.tsv"
    wildcard_constraints:
        backbone=any_of(
            name for name, row in backbones.items() if row.kind == "pretrained"
        ),
    conda:
        "../envs/training.yaml"
    threads: threads_of("pretrain")
    resources:
        **asked_of("pretrain"),
    params:
        backbone=lambda wildcards: backbones[wildcards.backbone].settings,
        examples=lambda wildcards, input: [
            f"{share}={Path(manifest).with_name('examples.parquet')}"
            for share, manifest in zip(
                backbones[wildcards.backbone].examples, input.examples
            )
        ],
        execution=execution_of("pretrain"),
    shell:
        "python workflow_scripts/pretrain_backbone.py --backbone {params.backbone:q} --execution {params.execution:q}"
        " --examples {params.examples} --output $(dirname {output}) > {log} 2>&1"


rule train_sft:
    input:
        examples=ancient(
            collect(
                "<results>/data/{of.examples}/manifest.json",
                of=lambda wildcards: sft_runs[wildcards.run],
            )
        ),
        backbone=ancient(
            collect(
                "<results>/backbones/{of.backbone}/manifest.json",
                of=lambda wildcards: sft_runs[wildcards.run],
            )
        ),
    output:
        update("<results>/runs/{run}/manifest.json"),
    log:
        "<results>/logs/train_sft/{run}.log",
    benchmark:
        "<results>/benchmarks/train_sft/{run}.tsv"
    wildcard_constraints:
        run=tables.any_digest_of(sft_runs),
    conda:
        "../envs/training.yaml"
    threads: threads_of("train")
    resources:
        **asked_of("train"),
    params:
        run=lambda wildcards: sft_runs[wildcards.run].settings,
        execution=execution_of("train"),
        launcher=launcher_of("train"),
    shell:
        "{params.launcher} workflow_scripts/train_sft.py --run {params.run:q} --execution {params.execution:q}"
        " --examples $(dirname {input.examples})/examples.parquet --backbone $(dirname {input.backbone})"
        " --output $(dirname {output}) > {log} 2>&1"


rule train_grpo:
    input:
        examples=ancient(
            collect(
                "<results>/data/{of.examples}/manifest.json",
                of=lambda wildcards: grpo_runs[wildcards.run],
            )
        ),
        backbone=ancient(
            collect(
                "<results>/backbones/{of.backbone}/manifest.json",
                of=lambda wildcards: grpo_runs[wildcards.run],
            )
        ),
    output:
        update("<results>/runs/{run}/manifest.json"),
    log:
        "<results>/logs/train_grpo/{run}.log",
    benchmark:
        "<results>/benchmarks/train_grpo/{run}.tsv"
    wildcard_constraints:
        run=tables.any_digest_of(grpo_runs),
    conda:
        "../envs/training.yaml"
    threads: threads_of("train")
    resources:
        **asked_of("train"),
    params:
        run=lambda wildcards: grpo_runs[wildcards.run].settings,
        execution=execution_of("train"),
        launcher=launcher_of("train"),
    shell:
        "{params.launcher} workflow_scripts/train_grpo.py --run {params.run:q} --execution {params.execution:q}"
        " --examples $(dirname {input.examples})/examples.parquet --backbone $(dirname {input.backbone})"
        " --output $(dirname {output}) > {log} 2>&1"
