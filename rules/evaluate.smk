# Answers of each checkpoint on the test sets (GPU), and their scores (CPU).


rule generate_answers:
    input:
        checkpoint=ancient(
            collect("<results>/{of.made_of}/manifest.json", of=answers_asked_for)
        ),
        examples=ancient(
            collect("<results>/data/{of.examples}/manifest.json", of=answers_asked_for)
        ),
    output:
        update("<results>/answers/{checkpoint}/{tested_task}/manifest.json"),
    log:
        "<results>/logs/generate_answers/{checkpoint}-{tested_task}.log",
    benchmark:
        "<results>/benchmarks/generate_answers/{checkpoint}-{tested_task}.tsv"
    # Before further trainings: results come sooner, and Snakemake has fewer jobs to choose from each time.
    priority: 1
    conda:
        "../envs/training.yaml"
    threads: threads_of("generate")
    resources:
        **asked_of("generate"),
    params:
        weights=lambda wildcards: answers_asked_for(wildcards).weights,
        task=lambda wildcards: answers_asked_for(wildcards).task,
        execution=execution_of("generate"),
        launcher=launcher_of("generate"),
        precision=study.evaluation.precision,
    shell:
        "{params.launcher} workflow_scripts/generate_answers.py --checkpoint $(dirname {input.checkpoint})/{params.weights}"
        " --run-name {wildcards.checkpoint} --examples $(dirname {input.examples})/examples.parquet"
        " --task {params.task:q} --precision {params.precision} --execution {params.execution:q}"
        " --output $(dirname {output}) > {log} 2>&1"


rule score_answers:
    input:
        answers=ancient("<results>/answers/{checkpoint}/{tested_task}/manifest.json"),
    output:
        "<results>/scores/{checkpoint}/{tested_task}/{scores}.csv",
    log:
        "<results>/logs/score_answers/{checkpoint}-{tested_task}-{scores}.log",
    benchmark:
        "<results>/benchmarks/score_answers/{checkpoint}-{tested_task}-{scores}.tsv"
    priority: 2
    conda:
        "../envs/analysis.yaml"
    threads: threads_of("analyse")
    resources:
        **asked_of("analyse"),
    params:
        scorer=lambda wildcards: answers_asked_for(wildcards).scorer,
    shell:
        "python workflow_scripts/score_answers.py --answers $(dirname {input.answers})/answers.jsonl --scores {output}"
        " --scorer {params.scorer} --workers {threads} > {log} 2>&1"
