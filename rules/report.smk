# Exhibits: the scores collected into tidy csv files, and from these the tables, figures and claims.
#
# Each exhibit has a plan file as an input (othink_mr1/plan/plan_files.py). When the exhibit's inputs or settings
# change, it gets a different and newer plan file.


localrules:
    collect_study,
    collect_runs,
    collect_reward_curves,
    audit_scores,
    compare_methods,
    check_claims,
    make_table,
    draw_figure,
    make_report,


rule collect_study:
    input:
        plan=lambda wildcards: plan_of(wildcards.study),
        scores=ancient(
            collect(
                "<results>/scores/{of.checkpoint}/{of.tested_task}/{of.scores}.csv",
                of=lambda wildcards: answers_of_study[wildcards.study],
            )
        ),
        # Their pictures show which items depend on each other.
        sets=ancient(
            collect(
                "<results>/data/{data_set}/manifest.json",
                data_set=lambda wildcards: test_sets(
                    answers_of_study[wildcards.study]
                ),
            )
        ),
        leaks=ancient(
            collect(
                "<results>/data/leaks/{pair}.csv",
                pair=lambda wildcards: leak_reports(answers_of_study[wildcards.study]),
            )
        ),
    output:
        csv=report(
            "<results>/{study}.csv",
            caption="captions/study.rst",
            category="Studies",
            labels={"study": "{study}"},
        ),
        table="<results>/tables/{study}.md",
    log:
        "<results>/logs/collect_study/{study}.log",
    benchmark:
        "<results>/benchmarks/collect_study/{study}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards: study.results,
    shell:
        "python workflow_scripts/collect_study.py --plan {input.plan:q} --results {params.results}"
        " --output {output.csv} --table {output.table} > {log} 2>&1"


rule collect_runs:
    input:
        plan=lambda wildcards: plan_of("runs"),
        runs=ancient(expand("<results>/runs/{run}/manifest.json", run=runs)),
    output:
        csv="<results>/runs.csv",
    log:
        "<results>/logs/collect_runs.log",
    benchmark:
        "<results>/benchmarks/collect_runs.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards: study.results,
    shell:
        "python workflow_scripts/collect_runs.py --plan {input.plan:q} --results {params.results}"
        " --output {output.csv} > {log} 2>&1"


rule collect_reward_curves:
    input:
        plan=lambda wildcards: plan_of("reward_curves"),
        runs=ancient(
            collect(
                "<results>/runs/{of.name}/manifest.json",
                of=lambda wildcards: listed_runs(study, "reward_curves"),
            )
        ),
    output:
        csv="<results>/reward_curves.csv",
    log:
        "<results>/logs/collect_reward_curves.log",
    benchmark:
        "<results>/benchmarks/collect_reward_curves.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards: study.results,
    shell:
        "python workflow_scripts/collect_reward_curves.py --plan {input.plan:q} --results {params.results}"
        " --output {output.csv} > {log} 2>&1"


rule audit_scores:
    input:
        plan=lambda wildcards: plan_of("scorer_audit"),
        answers=ancient(
            expand(
                "<results>/answers/{of.checkpoint}/{of.tested_task}/manifest.json",
                of=answers.values(),
            )
        ),
        scores=ancient(
            expand(
                "<results>/scores/{of.checkpoint}/{of.tested_task}/{of.scores}.csv",
                of=answers.values(),
            )
        ),
    output:
        csv="<results>/scorer_audit.csv",
    log:
        "<results>/logs/audit_scores.log",
    benchmark:
        "<results>/benchmarks/audit_scores.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards: study.results,
    shell:
        "python workflow_scripts/audit_scores.py --plan {input.plan:q} --results {params.results}"
        " --output {output.csv} > {log} 2>&1"


rule compare_methods:
    input:
        plan=lambda wildcards: plan_of(comparison(wildcards.study)),
        runs=ancient(
            collect(
                "<results>/runs/{of.name}/manifest.json",
                of=lambda wildcards: compared_runs(study, wildcards.study),
            )
        ),
        scores=ancient(
            collect(
                "<results>/scores/{of.checkpoint}/{of.tested_task}/{of.scores}.csv",
                of=lambda wildcards: answers_of_study[wildcards.study],
            )
        ),
        sets=ancient(
            collect(
                "<results>/data/{data_set}/manifest.json",
                data_set=lambda wildcards: test_sets(
                    answers_of_study[wildcards.study]
                ),
            )
        ),
    output:
        csv=report(
            "<results>/{study}_comparison.csv",
            caption="captions/comparison.rst",
            category="Studies",
            labels={"study": "{study}, methods compared"},
        ),
        seeds="<results>/{study}_seeds.csv",
        table="<results>/tables/{study}_comparison.md",
    log:
        "<results>/logs/compare_methods/{study}.log",
    benchmark:
        "<results>/benchmarks/compare_methods/{study}.tsv"
    wildcard_constraints:
        study=any_of(compared_studies(study)),
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards: study.results,
    shell:
        "python workflow_scripts/compare_methods.py --plan {input.plan:q} --results {params.results}"
        " --output {output.csv} --seeds {output.seeds} --table {output.table} > {log} 2>&1"


rule check_claims:
    input:
        plan=lambda wildcards: plan_of("claims"),
        # Made first, from the same scores.
        studies=expand("<results>/{name}.csv", name=CLAIMS_NEED),
        scores=ancient(
            collect(
                "<results>/scores/{of.checkpoint}/{of.tested_task}/{of.scores}.csv",
                of=lambda wildcards: answers_of_studies(CLAIMS_NEED),
            )
        ),
        sets=ancient(
            collect(
                "<results>/data/{data_set}/manifest.json",
                data_set=lambda wildcards: test_sets(answers_of_studies(CLAIMS_NEED)),
            )
        ),
    output:
        csv=report(
            "<results>/claims.csv",
            caption="captions/claims.rst",
            category="Claims and table 1",
            labels={"shows": "claims"},
        ),
    log:
        "<results>/logs/check_claims.log",
    benchmark:
        "<results>/benchmarks/check_claims.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards: study.results,
    shell:
        "python workflow_scripts/check_claims.py --plan {input.plan:q} --results {params.results}"
        " --output {output.csv} > {log} 2>&1"


rule make_table:
    input:
        plan=lambda wildcards: plan_of("table1"),
        same_task="<results>/same_task.csv",
    output:
        markdown=report(
            "<results>/tables/table1.md",
            caption="captions/table1.rst",
            category="Claims and table 1",
            labels={"shows": "table 1"},
        ),
        latex="<results>/tables/table1.tex",
    log:
        "<results>/logs/make_table.log",
    benchmark:
        "<results>/benchmarks/make_table.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards: study.results,
    shell:
        "python workflow_scripts/make_table.py --plan {input.plan:q} --results {params.results}"
        " --same-task {input.same_task} --output-markdown {output.markdown} --output-latex {output.latex}"
        " > {log} 2>&1"


rule draw_figure:
    input:
        plan=lambda wildcards: plan_of(figure_plan(wildcards.figure)),
        data=collect(
            "<results>/{name}.csv",
            name=lambda wildcards: drawn_from(study, wildcards.figure),
        ),
        # The sets from which the figure shows items.
        sets=ancient(
            collect(
                "<results>/data/{data_set}/manifest.json",
                data_set=lambda wildcards: sets_shown(wildcards.figure),
            )
        ),
        answers=ancient(
            collect(
                "<results>/answers/{of.checkpoint}/{of.tested_task}/manifest.json",
                of=lambda wildcards: answers_shown(wildcards.figure),
            )
        ),
        scores=ancient(
            collect(
                "<results>/scores/{of.checkpoint}/{of.tested_task}/{of.scores}.csv",
                of=lambda wildcards: answers_shown(wildcards.figure),
            )
        ),
        leaks=ancient(
            collect(
                "<results>/data/leaks/{pair}.csv",
                pair=lambda wildcards: leak_reports(answers_shown(wildcards.figure)),
            )
        ),
    output:
        report(
            "<results>/figures/{figure}.svg",
            caption="captions/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        multiext("<results>/figures/{figure}", ".pdf", ".png", ".md", ".tex", ".csv"),
    log:
        "<results>/logs/draw_figure/{figure}.log",
    benchmark:
        "<results>/benchmarks/draw_figure/{figure}.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards: study.results,
        stem=lambda wildcards, output: str(Path(output[0]).with_suffix("")),
        data=lambda wildcards, input: " ".join(
            f"{Path(file).stem}={file}" for file in input.data
        ),
    shell:
        "python workflow_scripts/draw_figure.py --figure {wildcards.figure} --data {params.data} --plan {input.plan:q}"
        " --results {params.results} --output-stem {params.stem}"
        " > {log} 2>&1"


rule make_report:
    input:
        plan=lambda wildcards: plan_of("report"),
        # Made first, and shown.
        shown=expand("<results>/{file}", file=shown_in_report(study)),
        runs=ancient(expand("<results>/runs/{run}/manifest.json", run=runs)),
        answers=ancient(
            collect(
                "<results>/answers/{of.checkpoint}/{of.tested_task}/manifest.json",
                of=lambda wildcards: answers_of_studies(items_in_report(study)),
            )
        ),
        scores=ancient(
            collect(
                "<results>/scores/{of.checkpoint}/{of.tested_task}/{of.scores}.csv",
                of=lambda wildcards: answers_of_studies(items_in_report(study)),
            )
        ),
        sets=ancient(
            collect(
                "<results>/data/{data_set}/manifest.json",
                data_set=lambda wildcards: test_sets(
                    answers_of_studies(items_in_report(study))
                ),
            )
        ),
    output:
        report(
            "<results>/report.html",
            caption="captions/page.rst",
            category="Page",
            labels={"shows": "everything"},
        ),
    log:
        "<results>/logs/make_report.log",
    benchmark:
        "<results>/benchmarks/make_report.tsv"
    conda:
        "../envs/analysis.yaml"
    params:
        results=lambda wildcards: study.results,
    shell:
        "python workflow_scripts/make_report.py --plan {input.plan:q} --results {params.results}"
        " --output {output} > {log} 2>&1"
