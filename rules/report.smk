# Exhibits: the scores collected into tidy csv files, and from these the tables, figures and claims.
#
# Each exhibit has its plan file as input: it changes when what the exhibit is made of changes. The
# exhibit's copy of it (made_of/) lets the Snakefile notice an exhibit that was made of something else.


localrules:
    collect_study,
    collect_runs,
    collect_reward_curves,
    audit_scores,
    check_claims,
    make_table,
    draw_figure,


rule collect_study:
    input:
        plan="<results>/plans/{study}.json",
        scores=lambda wildcards: settled(study.scores(wildcards.study)),
        sets=lambda wildcards: settled(study.test_sets(wildcards.study)),
        leaks=lambda wildcards: settled(study.leak_reports(wildcards.study)),
    output:
        csv="<results>/{study}.csv",
        table="<results>/tables/{study}.md",
        made_of="<results>/made_of/{study}.json",
    log:
        "<results>/logs/collect_study/{study}.log",
    benchmark:
        "<results>/benchmarks/collect_study/{study}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards, output: str(Path(output.csv).parent),
    shell:
        "python workflow_scripts/collect_study.py --plan {input.plan} --results {params.results}"
        " --output {output.csv} --table {output.table} > {log} 2>&1 && cp {input.plan} {output.made_of}"


rule collect_runs:
    input:
        plan="<results>/plans/runs.json",
        runs=lambda wildcards: ancient(study.run_manifests("runs")),
    output:
        csv="<results>/runs.csv",
        made_of="<results>/made_of/runs.json",
    log:
        "<results>/logs/collect_runs.log",
    benchmark:
        "<results>/benchmarks/collect_runs.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards, output: str(Path(output.csv).parent),
    shell:
        "python workflow_scripts/collect_runs.py --plan {input.plan} --results {params.results}"
        " --output {output.csv} > {log} 2>&1 && cp {input.plan} {output.made_of}"


rule collect_reward_curves:
    input:
        plan="<results>/plans/reward_curves.json",
        runs=lambda wildcards: ancient(study.run_manifests("reward_curves")),
    output:
        csv="<results>/reward_curves.csv",
        made_of="<results>/made_of/reward_curves.json",
    log:
        "<results>/logs/collect_reward_curves.log",
    benchmark:
        "<results>/benchmarks/collect_reward_curves.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards, output: str(Path(output.csv).parent),
    shell:
        "python workflow_scripts/collect_reward_curves.py --plan {input.plan} --results {params.results}"
        " --output {output.csv} > {log} 2>&1 && cp {input.plan} {output.made_of}"


rule audit_scores:
    input:
        plan="<results>/plans/scorer_audit.json",
        files=settled(study.audited_files()),
    output:
        csv="<results>/scorer_audit.csv",
        made_of="<results>/made_of/scorer_audit.json",
    log:
        "<results>/logs/audit_scores.log",
    benchmark:
        "<results>/benchmarks/audit_scores.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards, output: str(Path(output.csv).parent),
    shell:
        "python workflow_scripts/audit_scores.py --plan {input.plan} --results {params.results}"
        " --output {output.csv} > {log} 2>&1 && cp {input.plan} {output.made_of}"


rule check_claims:
    input:
        plan="<results>/plans/claims.json",
        studies=lambda wildcards: study.claims_studies(),
        files=lambda wildcards: settled(study.claims_files()),
    output:
        csv="<results>/claims.csv",
        made_of="<results>/made_of/claims.json",
    log:
        "<results>/logs/check_claims.log",
    benchmark:
        "<results>/benchmarks/check_claims.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards, output: str(Path(output.csv).parent),
    shell:
        "python workflow_scripts/check_claims.py --plan {input.plan} --results {params.results}"
        " --output {output.csv} > {log} 2>&1 && cp {input.plan} {output.made_of}"


rule make_table:
    input:
        plan="<results>/plans/table1.json",
        same_task="<results>/same_task.csv",
    output:
        markdown="<results>/tables/table1.md",
        latex="<results>/tables/table1.tex",
        made_of="<results>/made_of/table1.json",
    log:
        "<results>/logs/make_table.log",
    benchmark:
        "<results>/benchmarks/make_table.tsv"
    conda:
        "../envs/analysis.yaml"
    shell:
        "python workflow_scripts/make_table.py --same-task {input.same_task} --output-markdown {output.markdown}"
        " --output-latex {output.latex} > {log} 2>&1 && cp {input.plan} {output.made_of}"


rule draw_figure:
    input:
        plan="<results>/plans/{figure}.json",
        data=lambda wildcards: study.figure_data(wildcards.figure),
        pictures=lambda wildcards: settled(study.figure_pictures(wildcards.figure)),
    output:
        pictures=multiext("<results>/figures/{figure}", ".svg", ".png", ".html", ".csv"),
        made_of="<results>/made_of/{figure}.json",
    log:
        "<results>/logs/draw_figure/{figure}.log",
    benchmark:
        "<results>/benchmarks/draw_figure/{figure}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards, output: str(Path(output.pictures[0]).parents[1]),
        stem=lambda wildcards, output: str(Path(output.pictures[0]).with_suffix("")),
        number=lambda wildcards: wildcards.figure.removeprefix("figure"),
        data=lambda wildcards, input: " ".join(
            f"{Path(file).stem}={file}" for file in input.data
        ),
    shell:
        "python workflow_scripts/draw_figure.py --figure {params.number} --data {params.data} --plan {input.plan}"
        " --results {params.results} --output-stem {params.stem}"
        " > {log} 2>&1 && cp {input.plan} {output.made_of}"
