"""Exhibits: scores collected into tidy csv files, and from these the table, the figures and the claims.

Aggregating happens in pandas (collect, collected_tables, claims); Altair only draws. Nothing here
imports torch.

All paths inside plan files are relative to the results root, which every command takes as `--results`
where it takes a plan. What each command reads and writes:

    collect_study.py          --plan P --results ROOT --output ROOT/<study>.csv
    collect_runs.py           --plan P --results ROOT --output ROOT/runs.csv
    collect_reward_curves.py  --plan P --results ROOT --output ROOT/reward_curves.csv
    check_claims.py           --plan P --results ROOT --output ROOT/claims.csv
    audit_scores.py           --plan P --results ROOT --output ROOT/scorer_audit.csv
    make_table.py             --same-task CSV --output-markdown FILE.md --output-latex FILE.tex
    collect_leaks.py          --plan P --results ROOT --output ROOT/data/leaks.csv
    write_data_card.py        --plan P --results ROOT --task T --output ROOT/data/T.md --chart ROOT/data/T.svg
    draw_figure.py            --figure N [--data NAME=CSV ...] [--plan P] --results ROOT
                              --output-stem ROOT/figures/figureN    writes .svg .png .html and .csv

    figure  data (NAME=CSV)       plan
    1       learning_curves       -
    2       -                     {"tasks": {task: {"examples": parquet}}}
    3       -                     {"studies": [plan of same_task]}
    4       format_weight_sweep   -
    5       reward_curves         -
    6       kl_weight_sweep       -
    7       cross_task            -
    8       -                     {"studies": [plan of cross_task]}

Data or a plan that a figure does not need may be given, and is ignored.

plans.py defines what a plan contains; other keys are ignored. The plan of scorer_audit.csv lists the
evaluations of all studies, each once.

A study may lack methods or points: every exhibit shows what there is and says what is missing.
"""
