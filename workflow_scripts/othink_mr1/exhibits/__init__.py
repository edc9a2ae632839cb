"""Exhibits: scores collected into tidy csv files, and from these the table, the figures and the claims.

Aggregating happens in pandas (collect, reward_curves, runs_table, claims); Altair only draws. Nothing here
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

Data or a plan that a figure does not need may be given and is not read.

The plan of a study is {"evaluations": [{point, varied, backbone, method, trained_on, tested_on, seed, step,
steps, run, format_weight, kl_weight, kl_schedule, scores, answers, examples, leaks}]}: point is
the digest of all of its identity but the seed; varied: path -> value, what the study varies; step is null
for a final checkpoint, steps the length of the run (0 for base); trained_on, seed and leaks are null for
base; the weights are null for runs without them. The plan of scorer_audit.csv is of the same form, with the
evaluations of all studies, each once. The plan of runs.csv and reward_curves.csv is {"runs": [{point,
varied, backbone, run, method, task, seed, format_weight, kl_weight, kl_schedule, folder, settings}]}, that of
leaks.csv {"pairs": [{train_task, test_task, leaks}]}, that of a data card {task, train: {source, folder,
raw}, test: the same, prompts: {train, test}, leaks}. Other keys are not read.

A study may lack methods or points: every exhibit is drawn of what there is, and says what is not there.
"""
