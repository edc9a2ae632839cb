# Answers of each checkpoint on the test sets (GPU), and their scores (CPU).

# One job per checkpoint answers all its tasks, so that the model is loaded once. Snakemake wants a
# rule's outputs fixed, hence one rule per set of tasks that occurs.
for tasks, checkpoints in study.task_sets().items():

    rule:
        name:
            f"generate_answers_{'_'.join(tasks)}"
        input:
            checkpoint=lambda wildcards: ancient(
                study.checkpoint_manifest(wildcards.checkpoint)
            ),
            examples=ancient(study.test_examples(tasks)),
        output:
            # Not the answers: Snakemake deletes declared outputs when an attempt fails.
            study.answers(tasks),
        log:
            f"<results>/logs/generate_answers/{{checkpoint}}-{'-'.join(tasks)}.log",
        benchmark:
            f"<results>/benchmarks/generate_answers/{{checkpoint}}-{'-'.join(tasks)}.tsv"
        wildcard_constraints:
            checkpoint=checkpoints,
        conda:
            "../envs/training.yaml"
        threads: study.threads("generate", workflow.cores)
        resources:
            **study.resources("generate"),
        params:
            folder=lambda wildcards, input: study.checkpoint_folder(
                wildcards.checkpoint, input.checkpoint
            ),
            tasks=lambda wildcards, input, output, tasks=tasks: study.generation_arguments(
                tasks, input.examples, output
            ),
            execution=study.execution_json("generate"),
            precision=study.config.evaluation.precision,
        shell:
            "python workflow_scripts/generate_answers.py --checkpoint {params.folder} --run-name {wildcards.checkpoint}"
            " --execution {params.execution:q} --precision {params.precision} {params.tasks} > {log} 2>&1"


rule score_answers:
    input:
        answers=ancient("<results>/answers/{checkpoint}/{tested_task}/manifest.json"),
    output:
        "<results>/scores/{checkpoint}/{tested_task}/{scorer_version}.csv",
    log:
        "<results>/logs/score_answers/{checkpoint}-{tested_task}-{scorer_version}.log",
    benchmark:
        "<results>/benchmarks/score_answers/{checkpoint}-{tested_task}-{scorer_version}.tsv"
    wildcard_constraints:
        checkpoint=study.checkpoint_names(),
        scorer_version=study.scorer_version(),
    conda:
        "../envs/analysis.yaml"
    threads: study.threads("analyse", workflow.cores)
    resources:
        **study.resources("analyse"),
    params:
        scorer=lambda wildcards: study.scorer(wildcards.tested_task),
    shell:
        "python workflow_scripts/score_answers.py --answers $(dirname {input.answers})/answers.jsonl --scores {output}"
        " --scorer {params.scorer} --workers {threads} > {log} 2>&1"
