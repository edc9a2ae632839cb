"""What would run: the paper's study, one exhibit, and nothing at all when the config is wrong.

Where the start matters (time, PATH, folder) Snakemake is started as a user does, elsewhere in a fork.
"""

from __future__ import annotations

import re
import resource
from pathlib import Path

import pytest

from forked_snakemake import run_forked
from othink_mr1.config.load import load_study
from othink_mr1.plan.exhibits import named_exhibits
from snakemake_runs import REPOSITORY, job_counts, run_snakemake

pytestmark = pytest.mark.workflow


def planning_seconds() -> float:
    """CPU time of all Snakemakes so far, whatever else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def training_jobs(counts: dict[str, int]) -> int:
    return sum(count for rule, count in counts.items() if rule.startswith("train_"))


def test_all_is_the_papers_study(checkout: Path) -> None:
    before = planning_seconds()
    result = run_snakemake(checkout, ["-n", "all"])
    seconds = planning_seconds() - before
    assert result.returncode == 0, result.stderr
    counts = job_counts(result.stdout)
    assert training_jobs(counts) == 15
    assert counts["train_sft"] == 2
    assert counts["draw_figure"] == 11
    assert seconds < 5


def test_one_exhibit_is_only_what_it_needs(checkout: Path) -> None:
    before = planning_seconds()
    result = run_snakemake(checkout, ["-n", "results/cross_task.csv"], path="/usr/bin:/bin")
    seconds = planning_seconds() - before
    assert result.returncode == 0, result.stderr
    counts = job_counts(result.stdout)
    assert training_jobs(counts) == 6
    assert counts["collect_study"] == 1
    assert "draw_figure" not in counts
    assert seconds < 5


def test_two_seeds_train_twice(checkout: Path) -> None:
    result = run_forked(checkout, ["-n", "all", "--config", "seeds=[1,2]"])
    assert training_jobs(job_counts(result.stdout)) == 30


@pytest.mark.parametrize(
    ("overlay", "more"),
    [
        ("baselines", 3),
        ("readings", 3),
        ("controls", 10),
        ("clevr_70k", 3),
        ("chosen_kl_weight", 28),
        ("kl_schedules", 308),
        ("seeds", 12),
    ],
)
def test_a_further_study_adds_its_own_trainings(checkout: Path, overlay: str, more: int) -> None:
    result = run_forked(checkout, ["-n", "all", "--configfile", f"studies/{overlay}.yaml"])
    assert result.returncode == 0, result.stderr
    assert training_jobs(job_counts(result.stdout)) == 15 + more


def test_a_name_may_be_in_the_form_of_another_trainers_runs(checkout: Path) -> None:
    """Such a run matches both trainers' rules; only one of them knows it."""
    methods = "methods={grpo-d-alpha1: {inherits: sft}}"
    study = "studies={mine: {tasks: [counting], methods: [grpo-d-alpha1], tested_on: own}}"
    planned = [
        job_counts(run_forked(checkout, ["-n", "all", "--config", *changes]).stdout)
        for changes in (["seeds=[42]"], [methods, study])
    ]
    assert planned[0]["train_sft"] + 1 == planned[1]["train_sft"]
    assert planned[0]["train_grpo"] == planned[1]["train_grpo"]


def test_miniature_has_three_seeds_and_smaller_sweeps(checkout: Path) -> None:
    result = run_forked(checkout, ["--profile", "mini", "-n", "all"])
    assert result.returncode == 0, result.stderr
    counts = job_counts(result.stdout)
    # Table 1, SFT on the answer alone, and of the sweeps what table 1 does not have: α, β.
    assert training_jobs(counts) == 18 + 6 + 1 + 4
    assert counts["train_sft"] == 12
    assert "download_dataset" not in counts
    assert "results/mini/cross_task.csv" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--profile", "mini", "--configfile", "mine.yaml"],
        ["--prof=mini", "--configfiles", "mine.yaml"],
        ["--workflow-profile", "mini", "--configfile", "mine.yaml"],
        [
            "--profile",
            "mini",
            "--profile",
            "own",
        ],  # a later profile's configfile replaces an earlier one's, too
    ],
)
def test_an_overlay_does_not_silently_replace_the_profiles_own(
    own_checkout: Path, arguments: list[str]
) -> None:
    """`--profile mini --configfile mine.yaml` planned the paper's study."""
    (own_checkout / "mine.yaml").write_text("seeds: [1, 2]\n")
    (own_checkout / "own").mkdir()
    (own_checkout / "own" / "config.yaml").write_text("configfile: mine.yaml\n")
    result = run_forked(own_checkout, [*arguments, "-n"])
    assert result.returncode == 1
    assert "error: --configfile takes the place of profile mini's own; name both: " in result.stderr
    assert "--configfile mini/study.yaml" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["-n", "--configfile", "studies/readings.yaml", "all"],
            "takes all words behind it for files, also all; write the target first: snakemake all "
            "--configfile studies/readings.yaml",
        ),
        (
            ["-n", "all", "--configfile", "studies/reading.yaml"],
            "studies/reading.yaml: there is no such file",
        ),
    ],
)
def test_an_overlay_that_is_no_file(checkout: Path, arguments: list[str], said: str) -> None:
    """`--configfile mine.yaml all` ended in a traceback."""
    result = run_forked(checkout, arguments)
    assert result.returncode == 1
    assert f"error: --configfile {said}\n" in result.stderr
    assert "Traceback" not in result.stderr


def test_no_page_has_a_target_behind_an_overlay() -> None:
    pages = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("*/*/*.md")]
    pages += [*REPOSITORY.glob("studies/*.yaml"), *REPOSITORY.glob("*/README.md")]
    commands = 0
    for page in pages:
        text = page.read_text().replace("\\\n", " ")
        for words in re.findall(r"snakemake [^`\n]*--configfile ([^`\n]*)", text):
            commands += 1
            behind = next((word for word in words.split() if not word.strip(".,;:").endswith(".yaml")), "--")
            assert behind.startswith("-"), (page.name, words)
    assert commands > 8


def test_an_overlay_over_the_miniature(own_checkout: Path) -> None:
    """As README has it."""
    (own_checkout / "mine.yaml").write_text("studies: {cross_task: {seeds: [1, 2]}}\n")
    target = "results/mini/cross_task.csv"
    overlays = ["--configfile", "mini/study.yaml", "mine.yaml"]
    result = run_forked(own_checkout, ["--profile", "mini", "-n", target, *overlays])
    assert result.returncode == 0, result.stderr
    assert training_jobs(job_counts(result.stdout)) == 12


def test_a_figure_by_name(checkout: Path) -> None:
    result = run_forked(checkout, ["--profile", "mini", "-n", "results/mini/figures/figure2.png"])
    assert result.returncode == 0, result.stderr
    assert training_jobs(job_counts(result.stdout)) == 0


@pytest.mark.parametrize(
    ("arguments", "rules"),
    [
        (["table1"], {"make_table": 1, "collect_study": 1}),
        (["figure7"], {"draw_figure": 1, "collect_study": 1}),
        (["report"], {"make_report": 1}),
        (["--profile", "mini", "claims"], {"check_claims": 1, "collect_study": 4}),
    ],
)
def test_an_exhibit_by_its_name(checkout: Path, arguments: list[str], rules: dict[str, int]) -> None:
    result = run_forked(checkout, ["-n", *arguments])
    assert result.returncode == 0, result.stderr
    counts = job_counts(result.stdout)
    assert counts[arguments[-1]] == 1
    assert rules.items() <= counts.items()
    assert "all" not in counts


def test_all_names_plan_what_all_plans(checkout: Path) -> None:
    names = [*named_exhibits(load_study([checkout / "config.yaml"]))]
    by_name, whole = (job_counts(run_forked(checkout, ["-n", *of]).stdout) for of in (names, ["all"]))
    for counts in (by_name, whole):
        for target in (*names, "all", "total"):
            counts.pop(target, None)
    assert by_name == whole != {}


def test_an_unknown_name_ends_in_one_line_that_lists_the_known_ones(checkout: Path) -> None:
    result = run_forked(checkout, ["-n", "tabel1"])
    assert result.returncode == 1
    _, error = result.stderr.splitlines()
    assert error.startswith("error: no target tabel1; did you mean table1? there are: all, ")
    assert " figure8, " in error


def test_a_study_with_the_name_of_a_rule_has_its_files(own_checkout: Path) -> None:
    (own_checkout / "mine.yaml").write_text(
        "studies: {download: {tasks: [counting], methods: [base], tested_on: own}}\n"
    )
    result = run_forked(own_checkout, ["-n", "results/download.csv", "--configfile", "mine.yaml"])
    assert job_counts(result.stdout)["collect_study"] == 1


def test_changes_as_a_person_types_them(checkout: Path) -> None:
    changes = "set=methods.grpo.learning_rate=2e-6 seeds=[1,2]"
    result = run_forked(checkout, ["-np", "all", "--config", changes])
    assert result.returncode == 0, result.stderr
    assert training_jobs(job_counts(result.stdout)) == 30
    assert '"learning_rate":2e-06' in result.stdout


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "methods.grpo.learning_rate=2e-6",
            "error: --config methods.grpo.learning_rate=2e-6: write "
            "--config set='methods.grpo.learning_rate=2e-6', or "
            'make run SET="methods.grpo.learning_rate=2e-6", or put it into an overlay for --configfile',
        ),
        (
            "set=methods.grpo.learning_rat=2e-6",
            "error: --config: methods.grpo.learning_rat: unknown key 'learning_rat'; did you mean "
            "learning_rate? (method grpo, task counting)",
        ),
        (
            "set=learning_rate",
            "error: set learning_rate: must be PATH=VALUE, as in methods.grpo.learning_rate=2e-6",
        ),
    ],
)
def test_a_wrong_change_ends_in_one_line(checkout: Path, change: str, expected: str) -> None:
    result = run_forked(checkout, ["-n", "all", "--config", change])
    assert result.returncode == 1
    assert result.stderr.splitlines()[1:] == [expected]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    learning_rate: 1e-6 ", "    learning_rat: 1e-6 ", "did you mean learning_rate?"),
        ("methods: [base, sft, grpo, grpo-d]", "methods: [gpro]", "unknown method 'gpro'"),
        ("minimum: 0.0", "minimum: 0.5", "minimum: must be at most maximum (0.04)"),
        ("seeds: [42] ", "seeds: [42 ", "not valid YAML"),
        ("hours: 48", "hours: 48:00", "versions of YAML differ in what 48:00 is"),
        ("results: results ", "results: a\nresults: b #", "found duplicate key"),
    ],
)
def test_a_wrong_config_ends_in_one_line(own_checkout: Path, old: str, new: str, expected: str) -> None:
    config = own_checkout / "config.yaml"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new, 1))
    result = run_forked(own_checkout, ["all"])
    errors = [
        line for line in result.stderr.splitlines() if not line.startswith("Using workflow specific profile")
    ]
    assert result.returncode == 1
    assert len(errors) == 1
    assert errors[0].startswith("error: config.yaml:")
    assert expected in errors[0]
    assert not (own_checkout / "results").exists()


def test_missing_config_ends_in_one_line(own_checkout: Path) -> None:
    (own_checkout / "config.yaml").unlink()
    result = run_forked(own_checkout, ["-n"])
    assert result.returncode == 1
    assert "error: config.yaml: config file not found" in result.stderr
    assert "Traceback" not in result.stderr


def test_another_folder_ends_in_one_line(checkout: Path, tmp_path: Path) -> None:
    """The default profile beside the Snakefile is read, too: it must not end in a traceback."""
    result = run_snakemake(tmp_path, ["-n", "--snakefile", str(checkout / "Snakefile")])
    assert result.returncode == 1
    assert "error: config.yaml: config file not found; run from the repository's root" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("geometry-grpo-alpha1-beta0.04-s42-0123456789", ": this config defines no such name"),
        ("geometry-grpo-s42-0123456789", "MissingRuleException"),  # no run has a name of that form
    ],
)
def test_a_digest_of_another_config_cannot_be_asked_for(checkout: Path, name: str, message: str) -> None:
    for target in (f"runs/{name}", f"answers/{name}/geometry-0123456789"):
        result = run_forked(checkout, ["-n", f"results/{target}/manifest.json"])
        assert result.returncode != 0
        assert (message if target.startswith("runs") else "Exception") in result.stdout + result.stderr


def test_local_jobs_with_a_gpu_take_all_cores(checkout: Path) -> None:
    """Two that are ready at once must not start together: the local executor starts all that fit."""
    result = run_forked(checkout, ["-n", "--cores", "3", "results/cross_task.csv"])
    blocks = [
        block for block in result.stdout.split("[") if "rule train_" in block or "rule generate_" in block
    ]
    assert len(blocks) == 6 + 8  # the backbone as it is answers both tasks
    assert all("threads: 3" in block for block in blocks)
