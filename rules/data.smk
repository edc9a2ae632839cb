# Raw sets (downloaded or rendered), their preparation to one schema, and reports about them: test items that
# also appear in a training set, and a data card per task.

from othink_mr1.plan.data import downloads


localrules:
    download,
    download_dataset,
    collect_leaks,


# Everything that needs the internet: after `snakemake download` on a login node, `snakemake all` needs none.
rule download:
    input:
        expand("<results>/{folder}/manifest.json", folder=downloads(study)),


rule download_dataset:
    output:
        update("<results>/raw/{raw}/manifest.json"),
    log:
        "<results>/logs/download_dataset/{raw}.log",
    benchmark:
        "<results>/benchmarks/download_dataset/{raw}.tsv"
    wildcard_constraints:
        raw=any_of(name for name, row in raw_sets.items() if row.kind != "rendered"),
    conda:
        "../envs/analysis.yaml"
    # One download at a time: two would both count on the same free space.
    threads: workflow.cores
    params:
        source=lambda wildcards: raw_sets[wildcards.raw].settings,
        lock=LOCK_FILE,
    shell:
        "python workflow_scripts/download_dataset.py --source {params.source:q} --lock {params.lock}"
        " --output $(dirname {output}) > {log} 2>&1"


rule render_source:
    output:
        update("<results>/raw/{raw}/manifest.json"),
    log:
        "<results>/logs/render_source/{raw}.log",
    benchmark:
        "<results>/benchmarks/render_source/{raw}.tsv"
    wildcard_constraints:
        raw=any_of(name for name, row in raw_sets.items() if row.kind == "rendered"),
    conda:
        "../envs/analysis.yaml"
    threads: threads_of("data")
    resources:
        **asked_of("data"),
    params:
        source=lambda wildcards: raw_sets[wildcards.raw].settings,
    shell:
        "python workflow_scripts/render_source.py --source {params.source:q} --output $(dirname {output}) > {log} 2>&1"


rule prepare_dataset:
    input:
        raw=ancient(
            collect(
                "<results>/raw/{raw}/manifest.json",
                raw=lambda wildcards: data_sets[wildcards.data_set].raw,
            )
        ),
    output:
        update("<results>/data/{data_set}/manifest.json"),
    log:
        "<results>/logs/prepare_dataset/{data_set}.log",
    benchmark:
        "<results>/benchmarks/prepare_dataset/{data_set}.tsv"
    wildcard_constraints:
        data_set=any_of(data_sets),
    conda:
        "../envs/analysis.yaml"
    threads: threads_of("data")
    resources:
        **asked_of("data"),
    params:
        arguments=lambda wildcards: data_sets[wildcards.data_set].arguments,
    shell:
        "python workflow_scripts/prepare_dataset.py {params.arguments} --raw {input.raw} --threads {threads}"
        " --output $(dirname {output}) > {log} 2>&1"


rule split_dataset:
    input:
        whole=ancient(
            collect(
                "<results>/data/{of.whole}/manifest.json",
                of=lambda wildcards: parts[wildcards.data_set],
            )
        ),
    output:
        update("<results>/data/{data_set}/manifest.json"),
    log:
        "<results>/logs/split_dataset/{data_set}.log",
    benchmark:
        "<results>/benchmarks/split_dataset/{data_set}.tsv"
    wildcard_constraints:
        data_set=any_of(parts),
    conda:
        "../envs/analysis.yaml"
    threads: threads_of("data")
    resources:
        **asked_of("data"),
    params:
        arguments=lambda wildcards: parts[wildcards.data_set].arguments,
    shell:
        "python workflow_scripts/split_dataset.py --examples $(dirname {input.whole})/examples.parquet"
        " {params.arguments} --output $(dirname {output}) > {log} 2>&1"


rule fingerprint_dataset:
    input:
        examples=ancient("<results>/data/{data_set}/manifest.json"),
    output:
        "<results>/data/fingerprints/{data_set}-{leaks_version}.parquet",
    log:
        "<results>/logs/fingerprint_dataset/{data_set}-{leaks_version}.log",
    benchmark:
        "<results>/benchmarks/fingerprint_dataset/{data_set}-{leaks_version}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: threads_of("data")
    resources:
        **asked_of("data"),
    shell:
        "python workflow_scripts/fingerprint_dataset.py --examples $(dirname {input.examples})/examples.parquet --threads {threads} --output {output}"
        " > {log} 2>&1"


rule find_leaks:
    input:
        train=ancient(
            collect(
                "<results>/data/fingerprints/{of.train}-{version}.parquet",
                of=lambda wildcards: leak_pairs[wildcards.pair],
                version=versions.LEAKS,
            )
        ),
        test=ancient(
            collect(
                "<results>/data/fingerprints/{of.test}-{version}.parquet",
                of=lambda wildcards: leak_pairs[wildcards.pair],
                version=versions.LEAKS,
            )
        ),
    output:
        "<results>/data/leaks/{pair}.csv",
    log:
        "<results>/logs/find_leaks/{pair}.log",
    benchmark:
        "<results>/benchmarks/find_leaks/{pair}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: threads_of("analyse")
    resources:
        **asked_of("analyse"),
    params:
        sets=lambda wildcards: leak_pairs[wildcards.pair].arguments,
    shell:
        "python workflow_scripts/find_leaks.py --train {input.train} --test {input.test} {params.sets}"
        " --output {output} > {log} 2>&1"


rule collect_leaks:
    input:
        plan=lambda wildcards: plan_of("leaks"),
        leaks=ancient(expand("<results>/data/leaks/{pair}.csv", pair=leak_pairs)),
    output:
        "<results>/data/leaks.csv",
    log:
        "<results>/logs/collect_leaks.log",
    benchmark:
        "<results>/benchmarks/collect_leaks.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards: study.results,
    shell:
        "python workflow_scripts/collect_leaks.py --plan {input.plan:q} --results {params.results}"
        " --output {output} > {log} 2>&1"


rule write_data_card:
    input:
        plan=lambda wildcards: plan_of(f"data.{wildcards.task}"),
        sets=ancient(
            collect(
                "<results>/data/{data_set}/manifest.json",
                data_set=lambda wildcards: tables.sets_of_task(study, wildcards.task),
            )
        ),
        raw=ancient(
            collect(
                "<results>/raw/{raw}/manifest.json",
                raw=lambda wildcards: tables.raw_of_task(study, wildcards.task),
            )
        ),
        leaks=ancient(
            collect(
                "<results>/data/leaks/{pair}.csv",
                pair=lambda wildcards: tables.leak_pair_of_task(study, wildcards.task),
            )
        ),
    output:
        card="<results>/data/{task}.md",
        chart="<results>/data/{task}.svg",
    log:
        "<results>/logs/write_data_card/{task}.log",
    benchmark:
        "<results>/benchmarks/write_data_card/{task}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: threads_of("analyse")
    resources:
        **asked_of("analyse"),
    params:
        results=lambda wildcards: study.results,
    shell:
        "python workflow_scripts/write_data_card.py --plan {input.plan:q} --results {params.results}"
        " --task {wildcards.task} --output {output.card} --chart {output.chart} > {log} 2>&1"
