# Raw sets, downloaded or rendered, and their preparation to one schema.


localrules:
    download_source,


rule download_source:
    output:
        "<results>/raw/{raw}/manifest.json",
    log:
        "<results>/logs/download_source/{raw}.log",
    benchmark:
        "<results>/benchmarks/download_source/{raw}.tsv"
    wildcard_constraints:
        raw=study.downloaded(),
    conda:
        "../envs/analysis.yaml"
    params:
        source=lambda wildcards: study.source_json(study.raw_sources[wildcards.raw]),
    shell:
        "python workflow_scripts/download_source.py --source {params.source:q} --output $(dirname {output}) > {log} 2>&1"


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
        examples="<results>/data/{data_set}/examples.parquet",
        manifest="<results>/data/{data_set}/manifest.json",
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
        "python workflow_scripts/prepare_dataset.py {params.arguments} --raw {input}"
        " --output $(dirname {output.examples}) > {log} 2>&1"


rule check_disjoint:
    input:
        train=lambda wildcards: ancient(study.disjoint_sets()[wildcards.sets][0]),
        test=lambda wildcards: ancient(study.disjoint_sets()[wildcards.sets][1]),
    output:
        "<results>/data/disjoint/{sets}.json",
    log:
        "<results>/logs/check_disjoint/{sets}.log",
    benchmark:
        "<results>/benchmarks/check_disjoint/{sets}.tsv"
    conda:
        "../envs/analysis.yaml"
    shell:
        "python workflow_scripts/check_disjoint.py --train {input.train} --test {input.test} --report {output} > {log} 2>&1"
