# Raw sets, downloaded or rendered, their preparation to one schema, and what is told about them: which
# test items stand in a training set, and a card per task.


localrules:
    download,
    download_dataset,
    collect_leaks,


# All that needs the internet: `snakemake download` on a login node, then `snakemake all` can do without.
rule download:
    input:
        study.downloads(),


rule download_dataset:
    output:
        "<results>/raw/{raw}/manifest.json",
    log:
        "<results>/logs/download_dataset/{raw}.log",
    benchmark:
        "<results>/benchmarks/download_dataset/{raw}.tsv"
    wildcard_constraints:
        raw=study.downloaded(),
    conda:
        "../envs/analysis.yaml"
    # One download at a time: two would count the same free space.
    threads: workflow.cores
    params:
        source=lambda wildcards: study.source_json(study.raw_sources[wildcards.raw]),
        lock=DOWNLOAD_LOCK,
    shell:
        "python workflow_scripts/download_dataset.py --source {params.source:q} --lock {params.lock}"
        " --output $(dirname {output}) > {log} 2>&1"


rule render_source:
    output:
        "<results>/raw/{raw}/manifest.json",
    log:
        "<results>/logs/render_source/{raw}.log",
    benchmark:
        "<results>/benchmarks/render_source/{raw}.tsv"
    wildcard_constraints:
        raw=study.rendered(),
    conda:
        "../envs/analysis.yaml"
    threads: study.threads("data", workflow.cores)
    resources:
        **study.resources("data"),
    params:
        source=lambda wildcards: study.source_json(study.raw_sources[wildcards.raw]),
    shell:
        "python workflow_scripts/render_source.py --source {params.source:q} --output $(dirname {output}) > {log} 2>&1"


rule prepare_dataset:
    input:
        lambda wildcards: ancient(
            list(study.raw_manifests(wildcards.data_set).values())
        ),
    output:
        "<results>/data/{data_set}/manifest.json",
    log:
        "<results>/logs/prepare_dataset/{data_set}.log",
    benchmark:
        "<results>/benchmarks/prepare_dataset/{data_set}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: study.threads("data", workflow.cores)
    resources:
        **study.resources("data"),
    params:
        arguments=lambda wildcards: study.preparation_arguments(wildcards.data_set),
    shell:
        "python workflow_scripts/prepare_dataset.py {params.arguments} --raw {input} --threads {threads}"
        " --output $(dirname {output}) > {log} 2>&1"


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
    threads: study.threads("data", workflow.cores)
    resources:
        **study.resources("data"),
    shell:
        "python workflow_scripts/fingerprint_dataset.py --examples $(dirname {input.examples})/examples.parquet --threads {threads} --output {output}"
        " > {log} 2>&1"


rule find_leaks:
    input:
        train=lambda wildcards: ancient(
            [study.fingerprints(study.leak_pairs[wildcards.pair][0])]
        ),
        test=lambda wildcards: ancient(
            [study.fingerprints(study.leak_pairs[wildcards.pair][1])]
        ),
    output:
        "<results>/data/leaks/{pair}.csv",
    log:
        "<results>/logs/find_leaks/{pair}.log",
    benchmark:
        "<results>/benchmarks/find_leaks/{pair}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: study.threads("analyse", workflow.cores)
    resources:
        **study.resources("analyse"),
    params:
        sets=lambda wildcards: study.leak_arguments(wildcards.pair),
    shell:
        "python workflow_scripts/find_leaks.py --train {input.train} --test {input.test} {params.sets}"
        " --output {output} > {log} 2>&1"


rule collect_leaks:
    input:
        plan="<results>/plans/leaks.json",
        leaks=ancient(study.leak_reports()),
    output:
        csv="<results>/data/leaks.csv",
        made_of="<results>/made_of/leaks.json",
    log:
        "<results>/logs/collect_leaks.log",
    benchmark:
        "<results>/benchmarks/collect_leaks.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards, output: str(Path(output.csv).parents[1]),
    shell:
        "python workflow_scripts/collect_leaks.py --plan {input.plan} --results {params.results}"
        " --output {output.csv} > {log} 2>&1 && cp {input.plan} {output.made_of}"


rule write_data_card:
    input:
        plan="<results>/plans/data.{task}.json",
        sources=lambda wildcards: ancient(study.data_card_sources(wildcards.task)),
        leaks=lambda wildcards: ancient([study.data_card_leaks(wildcards.task)]),
    output:
        card="<results>/data/{task}.md",
        chart="<results>/data/{task}.svg",
        made_of="<results>/made_of/data.{task}.json",
    log:
        "<results>/logs/write_data_card/{task}.log",
    benchmark:
        "<results>/benchmarks/write_data_card/{task}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: study.threads("analyse", workflow.cores)
    resources:
        **study.resources("analyse"),
    params:
        results=lambda wildcards, output: str(Path(output.card).parents[1]),
    shell:
        "python workflow_scripts/write_data_card.py --plan {input.plan} --results {params.results}"
        " --task {wildcards.task} --output {output.card} --chart {output.chart} > {log} 2>&1"
        " && cp {input.plan} {output.made_of}"
