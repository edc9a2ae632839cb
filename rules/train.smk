# Backbones, and the study's training runs. Inputs are ancient(): their identity is in the output's path,
# so their time of writing must never retrain anything. A manifest is the only declared output: Snakemake
# deletes declared outputs when an attempt fails, and what the trainer left must survive that.


localrules:
    download_backbone,


rule download_backbone:
    output:
        "<results>/backbones/{backbone}/manifest.json",
    log:
        "<results>/logs/download_backbone/{backbone}.log",
    benchmark:
        "<results>/benchmarks/download_backbone/{backbone}.tsv"
    wildcard_constraints:
        backbone=study.downloaded_backbones(),
    conda:
        "../envs/analysis.yaml"
    # One download at a time: two would count the same free space.
    threads: workflow.cores
    params:
        backbone=lambda wildcards: study.backbone_json(wildcards.backbone),
        lock=DOWNLOAD_LOCK,
    shell:
        "python workflow_scripts/download_backbone.py --backbone {params.backbone:q} --lock {params.lock}"
        " --output $(dirname {output}) > {log} 2>&1"


rule pretrain_backbone:
    input:
        examples=lambda wildcards: ancient(
            study.pretraining_examples(wildcards.backbone)
        ),
    output:
        "<results>/backbones/{backbone}/manifest.json",
    log:
        "<results>/logs/pretrain_backbone/{backbone}.log",
    benchmark:
        "<results>/benchmarks/pretrain_backbone/{backbone}.tsv"
    wildcard_constraints:
        backbone=study.pretrained_backbones(),
    conda:
        "../envs/training.yaml"
    threads: study.threads("pretrain", workflow.cores)
    resources:
        **study.resources("pretrain"),
    params:
        backbone=lambda wildcards: study.backbone_json(wildcards.backbone),
        examples=named_examples,
        execution=study.execution_json("pretrain"),
    shell:
        "python workflow_scripts/pretrain_backbone.py --backbone {params.backbone:q} --execution {params.execution:q}"
        " --examples {params.examples} --output $(dirname {output}) > {log} 2>&1"


rule train_sft:
    input:
        examples=lambda wildcards: ancient(study.train_examples(wildcards.run)),
        backbone=lambda wildcards: ancient(study.run_backbone(wildcards.run)),
    output:
        "<results>/runs/{run}/manifest.json",
    log:
        "<results>/logs/train_sft/{run}.log",
    benchmark:
        "<results>/benchmarks/train_sft/{run}.tsv"
    wildcard_constraints:
        run=study.sft_runs(),
    conda:
        "../envs/training.yaml"
    threads: study.threads("train", workflow.cores)
    resources:
        **study.resources("train"),
    params:
        run=lambda wildcards: study.run_json(wildcards.run),
        execution=study.execution_json("train"),
    shell:
        "python workflow_scripts/train_sft.py --run {params.run:q} --execution {params.execution:q}"
        " --examples $(dirname {input.examples})/examples.parquet --backbone $(dirname {input.backbone})"
        " --output $(dirname {output}) > {log} 2>&1"


rule train_grpo:
    input:
        examples=lambda wildcards: ancient(study.train_examples(wildcards.run)),
        backbone=lambda wildcards: ancient(study.run_backbone(wildcards.run)),
    output:
        "<results>/runs/{run}/manifest.json",
    log:
        "<results>/logs/train_grpo/{run}.log",
    benchmark:
        "<results>/benchmarks/train_grpo/{run}.tsv"
    wildcard_constraints:
        run=study.grpo_runs(),
    conda:
        "../envs/training.yaml"
    threads: study.threads("train", workflow.cores)
    resources:
        **study.resources("train"),
    params:
        run=lambda wildcards: study.run_json(wildcards.run),
        execution=study.execution_json("train"),
    shell:
        "python workflow_scripts/train_grpo.py --run {params.run:q} --execution {params.execution:q}"
        " --examples $(dirname {input.examples})/examples.parquet --backbone $(dirname {input.backbone})"
        " --output $(dirname {output}) > {log} 2>&1"
