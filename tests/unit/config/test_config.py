"""The config model: what is accepted, and the one line that each mistake ends in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from othink_mr1.config.load import checked_study, load_study
from othink_mr1.config.methods import DynamicKL
from othink_mr1.config.read_yaml import read_documents
from othink_mr1.config.settings import merged_settings, validate_settings
from othink_mr1.errors import UserError
from othink_mr1.plan.runs import all_runs
from repository import REPOSITORY, study

PAPER = REPOSITORY / "config.yaml"


def edited(tmp_path: Path, old: str, new: str) -> Path:
    text = PAPER.read_text()
    assert text.count(old) >= 1, f"config.yaml no longer has {old!r}"
    path = tmp_path / "config.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


def refusal(overrides: dict[str, Any]) -> str:
    """The one line in which the paper's study with these changes ends."""
    with pytest.raises(UserError) as caught:
        load_study([PAPER], overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_paper_study_is_sound() -> None:
    config = study()
    assert config.seeds == [42]
    assert config.backbones["qwen2_vl_2b_instruct"].revision == "895c3a49bc3fa70a340399125c650a463535e71c"


@pytest.mark.parametrize(
    ("overlay", "own"), [("mini/study.yaml", {"sft_targets"}), ("tests/study.yaml", {"chosen_weight"})]
)
def test_overlays_are_sound(overlay: str, own: set[str]) -> None:
    config = study(overlay)
    assert config.backbone == "small_qwen2_vl"
    assert set(config.studies) == set(study().studies) | own


@pytest.mark.parametrize("value", ["010", "-01", "0o17", "48:00", "1:30.5", "yes", "No", "on", "OFF"])
def test_what_versions_of_yaml_read_differently_is_refused_unless_quoted(tmp_path: Path, value: str) -> None:
    """Snakemake, which reads YAML 1.1, would take 010 for 8, 48:00 for 2880 and no for false."""
    document = "sources:\n  mine:\n    {}\n"
    file = tmp_path / "own.yaml"
    for entry, place in (
        (f"seed: {value}", "3: sources.mine.seed"),
        (f"{value}: 1", f"3: sources.mine.{value}"),
        (f"files: [a, {value}]", "3: sources.mine.files.1"),
    ):
        file.write_text(document.format(entry))
        with pytest.raises(UserError) as caught:
            read_documents([file])
        assert str(caught.value).startswith(
            f"{file}:{place}: versions of YAML differ in what {value} is; quote"
        )
    file.write_text(document.format(f"seed: '{value}'"))
    assert read_documents([file]).content == {"sources": {"mine": {"seed": value}}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("results: &a {b: *a}", ": nested too deeply; an anchor must not stand within itself"),
        ("results: " + "[" * 500 + "]" * 500, ": nested too deeply"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", ':4: not valid YAML: found duplicate key "c"'),
        ("a: 1\nb: !mine 1\n", ":2: not valid YAML: could not determine a constructor for the tag '!mine'"),
        ("a: 2026-99-99", ": not valid YAML: month must be in 1..12"),
        ("a: \x07", ": not valid YAML: unacceptable character"),
        ("- a", ":1: must be a mapping of keys to values, got a list"),
        # As JSON escapes an emoji: to YAML these are two characters, which no file can hold.
        ('a:\n  b: "\\ud83d\\ude00"', ":2: a.b: has half a character, \\ud83d; write the character itself"),
    ],
    ids=["recursion", "nesting", "duplicate", "tag", "date", "control", "list", "half"],
)
def test_a_broken_file_ends_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        read_documents([file])
    assert str(caught.value).startswith(f"{file}{said}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seeds: [42, 43, 42]", "seeds.2: 42 is in the list already"),
        ("studies: {same_task: {seeds: [1, 1]}}", "studies.same_task.seeds.1: 1 is in the list already"),
        (
            "studies: {same_task: {tested_on: [geometry, counting, geometry]}}",
            "studies.same_task.tested_on.2: geometry is in the list already",
        ),
        ("results: README.md", "results: must be a folder; README.md is a file"),
        ("results: README.md/a/b", "results: must be a folder; README.md is a file"),
    ],
)
def test_what_planning_would_stumble_over(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_study([PAPER, file])
    assert str(caught.value) == f"{file}:1: {said}"


def test_a_results_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to("scratch")
    file = tmp_path / "own.yaml"
    file.write_text(f"results: {tmp_path}/results")
    with pytest.raises(UserError, match="results is a link to scratch, which is not there; make that folder"):
        load_study([PAPER, file])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("methods: {%s: {kind: base}}" % ("m" * 240), "methods.mmm.*at most 40 characters"),
        ("studies: {%s: {methods: [sft], tasks: [counting]}}" % ("s" * 240), "at most 40 characters"),
        (
            "preparation: {max_prompt_tokens: 1000000}\n"
            f'tasks: {{counting: {{train_prompt: "{{question}} {"very " * 40_000}"}}}}',
            "tasks.counting.train_prompt: String should have at most 8000 characters",
        ),
    ],
    ids=["method", "study", "prompt"],
)
def test_what_a_file_name_or_a_command_line_cannot_hold(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=said) as caught:
        load_study([PAPER, file])
    assert len(str(caught.value)) < 500


def test_anchors_and_merged_keys_are_read_and_located(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("a: &a\n  b: 1\n  c: 2\nd:\n  <<: *a\n  c: 3\n")
    document = read_documents([file])
    assert document.content == {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}
    assert document.place_of(("d", "b")) == f"{file}:2"
    assert document.place_of(("d", "c")) == f"{file}:6"


def test_an_overlay_changes_an_entry_and_not_those_that_repeat_it(tmp_path: Path) -> None:
    file, overlay = tmp_path / "own.yaml", tmp_path / "overlay.yaml"
    file.write_text("a: &a {b: {c: 1}}\nalias: *a\nmerged: {<<: *a, d: 2}\n")
    overlay.write_text("a: {b: {c: 5}}\n")
    assert read_documents([file, overlay]).content == {
        "a": {"b": {"c": 5}},
        "alias": {"b": {"c": 1}},
        "merged": {"b": {"c": 1}, "d": 2},
    }


def test_exponent_without_point_is_a_number() -> None:
    settings = validate_settings(merged_settings(study().methods, "grpo", "geometry"))
    assert settings.learning_rate == 1e-6


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "    learning_rate: 1e-6 ",
            "    learning_rat: 1e-6 ",
            "methods.grpo.learning_rat: unknown key 'learning_rat'; did you mean learning_rate?",
        ),
        (
            "results: results ",
            'results: "a b" ',
            "results: String should match pattern '^/?[\\w.][\\w./@+=-]*$', got 'a b'",
        ),
        ("results: results ", "results: / ", "results: String should match"),
        ("results: results ", "results: x;touch ", "results: String should match"),
        (
            "gradient_checkpointing: true, save_every_minutes: 30",
            "gradient_checkpointing: true, save_every_steps: 50",
            "execution.train.save_every_steps: unknown key 'save_every_steps'; "
            "did you mean save_every_minutes?",
        ),
        (
            "gradient_checkpointing: true, save_every_minutes: 30",
            "gradient_checkpointing: true, save_every_minutes: -1",
            "execution.train.save_every_minutes: Input should be greater than or equal to 0, got -1",
        ),
        (
            "expect_rows: 200",
            "expect_row: 200",
            "sources.superclevr_test.expect_row: unknown key 'expect_row'; did you mean expect_rows?",
        ),
        (
            "expect_rows: 200",
            "expect_rows: -1",
            "sources.superclevr_test.expect_rows: Input should be greater than or equal to 1, got -1",
        ),
        (
            "images: superclevr_images",
            "images: 5",
            "sources.superclevr_test.images: Input should be a valid string, got 5",
        ),
        (
            "base_url: https://raw",
            "base_url: https://me:secret@raw",
            "sources.r1v_geoqa_prompts.base_url: String should match",
        ),
        (
            "  max_prompt_tokens: 2048 ",
            "  max_prompt_tokens: 256 ",
            "preparation.max_prompt_tokens: Input should be greater than 256, got 256",
        ),
        (
            'train_prompt: "{question}  Output',
            f'train_prompt: "{"very " * 40}{{question}}  Output',
            "tasks.counting.train_prompt: must have at most 192 bytes around the question",
        ),
        (
            "preparation:",
            "preparations:",
            "preparations: unknown key 'preparations'; did you mean preparation?",
        ),
        (
            "methods: [base, sft, grpo, grpo-d]",
            "methods: [base, sft, gpro]",
            "studies.same_task.methods.2: unknown method 'gpro'; did you mean grpo? "
            "known: base, grpo, grpo-d, sft",
        ),
        (
            "baselines: [base, sft, grpo]",
            "baselines: [base, sft, gpro]",
            "exhibits.baselines.2: unknown method 'gpro'; did you mean grpo? known: base, grpo, grpo-d, sft",
        ),
        (
            "proposed: grpo-d",
            "proposed: grpod",
            "exhibits.proposed: unknown method 'grpod'; did you mean grpo",
        ),
        (
            "minimum: 0.0",
            "minimum: 0.5",
            "methods.grpo-d.kl_schedule.minimum: must be at most maximum (0.04), got 0.5",
        ),
        (
            "format_weight: 1.0 ",
            "format_weight: -1 ",
            "methods.grpo.format_weight: Input should be greater than or equal to 0, got -1",
        ),
        (
            "format_weight: [0, 0.25",
            "format_weight: [-1, 0.25",
            "vary.format_weight.0: Input should be greater than or equal to 0, got -1",
        ),
        (
            "exploration_steps: 251",
            "exploration_steps: 2000",
            "methods.grpo-d.kl_schedule.exploration_steps: must be at most steps (1004), got 2000",
        ),
        (
            "group_size: 8",
            "group_size: 1",
            "methods.grpo.group_size: Input should be greater than or equal to 2, got 1",
        ),
        (
            "    learning_rate: 1e-6 ",
            "    learning_rate: fast ",
            "learning_rate: Input should be a valid number, got 'fast'",
        ),
        (
            "batch_size: 128 ",
            "batch_size: '128' ",
            "methods.sft-r1v.batch_size: Input should be a valid integer, got '128'",
        ),
        (
            "vary: {format_weight: [0, 0.25, 0.5, 0.75, 1]}",
            "vary: {format_weight: []}",
            "studies.format_weight_sweep.vary.format_weight: List should have at least 1 item",
        ),
        ("vary: {format_weight:", "vary: {format_wait:", "unknown setting of grpo 'format_wait'"),
        ("seeds: [42]", "seeds: []", "seeds: List should have at least 1 item"),
        (
            "results: results ",
            "results: a\nresults: b #",
            '11: not valid YAML: found duplicate key "results"',
        ),
        ("seeds: [42] ", "seeds: [42 ", "not valid YAML"),
        (
            "kind: dynamic",
            "kind: dynamik",
            "kl_schedule.kind: Input tag 'dynamik' found using 'kind' does not match any of the expected",
        ),
        ("    temperature: 1.0 ", "    #", "methods.grpo.temperature: Field required"),
        ("    trainer: grpo\n", "", "methods.grpo.trainer: Field required"),
        (
            "backbones:\n",
            "backbones:\n  mine: {path: /models/mine}\n",
            "backbones.mine.kind: Field required",
        ),
        ("train: clevr_37k", "train: clevr_39k", "tasks.counting.train: unknown source 'clevr_39k'"),
        ("train: clevr_37k", "train: superclevr_test", "tasks.counting.train: must be a source of kind"),
        ("inherits: grpo", "inherits: grop", "methods.grpo-d.inherits: unknown method 'grop'"),
        ("inherits: grpo", "inherits: [grpo]", "methods.grpo-d.inherits: unknown method ['grpo']"),
        ("inherits: grpo", "inherits: grpo-d", "methods.grpo-d.inherits: circular: grpo-d -> grpo-d"),
        (
            "    by_task:",
            "    by_tasks:",
            "methods.sft.by_tasks: unknown key 'by_tasks'; did you mean by_task?",
        ),
        ("steps: 4724 ", "stps: 4724 ", "methods.sft.by_task.counting.stps: unknown key 'stps'"),
        ("{question}  Output", "question  Output", "train_prompt: String should match"),
        (
            "    learning_rate: 1e-6 ",
            "    learning_rate: .nan ",
            "learning_rate: Input should be a finite number",
        ),
        (
            "checkpoint_steps: [15, 30, 45]",
            "checkpoint_steps: [15, 300]",
            "checkpoint_steps: must be at most steps",
        ),
        (
            "backbones:\n",
            "backbones:\n  mine: {kind: local, path: ~/mine}\n",
            "backbones.mine.path: ~ does not stand for your home folder here; write it out, got '~/mine'",
        ),
        (
            "trainer: grpo",
            "trainer: ppo",
            "methods.grpo.trainer: Input tag 'ppo' found using 'trainer' does not match",
        ),
        ("  same_task:  ", "  claims:  ", "studies.claims: must not be runs, reward_curves, claims"),
        ("    adam_beta1: 0.9 ", "    adam_beta1: 1.0 ", "adam_beta1: Input should be less than 1, got 1.0"),
    ],
)
def test_a_mistake_ends_in_one_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    path = edited(tmp_path, old, new)
    with pytest.raises(UserError) as caught:
        load_study([path])
    message = str(caught.value)
    assert expected in message
    assert "\n" not in message
    assert message.startswith(f"{path}:"), "the message does not say which file and line"


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.yaml: config file not found"):
        load_study([PAPER, tmp_path / "absent.yaml"])


def test_overlay_cannot_change_a_kind(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("sources:\n  clevr_37k:\n    kind: rendered\n")
    with pytest.raises(
        UserError, match=r"overlay\.yaml:3: sources\.clevr_37k\.kind: an overlay cannot change"
    ):
        load_study([PAPER, overlay])


def test_overlay_merges_dicts_and_replaces_lists(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("seeds: [1, 2]\nmethods:\n  grpo:\n    group_size: 4\n")
    config = load_study([PAPER, overlay])
    assert config.seeds == [1, 2]
    assert config.methods["grpo"]["group_size"] == 4
    assert config.methods["grpo"]["temperature"] == 1.0


def test_command_line_overrides_are_typed_and_located() -> None:
    config = load_study([PAPER], {"seeds": ["1", "2"]})  # as Snakemake hands over --config seeds=[1,2]
    assert config.seeds == [1, 2]
    with pytest.raises(
        UserError, match=r"^--config: methods\.grpo\.group_size: Input should be greater than or equal to 2"
    ):
        load_study([PAPER], {"methods": {"grpo": {"group_size": "1"}}})


def test_a_study_without_any_test_is_refused() -> None:
    document = read_documents([PAPER])
    del document.content["tasks"]["counting"]
    for method in document.content["methods"].values():
        method.get("by_task", {}).pop("counting", None)
    for grid in document.content["studies"].values():
        grid["tasks"] = ["geometry"]
    with pytest.raises(UserError, match=r"studies\.cross_task\.tested_on: there is no task but geometry; "):
        checked_study(document)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden_size": 132, "heads": 4}, "heads: must leave each an even part of hidden_size (132), got 4"),
        (
            {"vision_hidden_size": 72},
            "vision_heads: must leave each a multiple of 4 of vision_hidden_size (72), got 4",
        ),
    ],
)
def test_sizes_for_which_there_is_no_rotary_embedding(changes: dict[str, int], said: str) -> None:
    mini = REPOSITORY / "mini/study.yaml"
    with pytest.raises(UserError, match=re.escape(f"backbones.small_qwen2_vl.{said}")):
        load_study([PAPER, mini], {"backbones": {"small_qwen2_vl": changes}})


def piecewise(points: list[list[float]]) -> dict[str, Any]:
    """A method with this KL schedule."""
    schedule = {"kind": "piecewise", "points": points}
    return {"methods": {"mine": {"inherits": "grpo-d", "kl_schedule": schedule}}}


DIRECT = {"variant_of": "counting", "test_prompt": "{question} Directly.", "max_new_tokens": 16}


def test_a_variant_of_a_task_is_that_task_but_for_what_it_says() -> None:
    config = study(tasks={"direct": DIRECT})
    own, variant = config.tasks["counting"], config.tasks["direct"]
    assert variant == own.model_copy(update=DIRECT)
    assert config.own_tasks == ["counting", "geometry"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            {"tasks": {"direct": DIRECT | {"variant_of": "conting"}}},
            "tasks.direct.variant_of: unknown task 'conting'; did you mean counting?",
        ),
        (
            {"tasks": {"direct": DIRECT, "again": {"variant_of": "direct"}}},
            "tasks.again.variant_of: unknown task 'direct'",  # of tasks alone, not of variants
        ),
        ({"tasks": {"direct": DIRECT | {"variant_of": ["counting"]}}}, "tasks.direct.variant_of: must be"),
        # It would be counting's training under another name, without counting's own settings.
        (
            {"tasks": {"direct": DIRECT}, "studies": {"same_task": {"tasks": ["direct"]}}},
            "studies.same_task.tasks.0: direct is trained as counting, whose set it has; name it in "
            "tested_on",
        ),
        (
            {"tasks": {"direct": DIRECT | {"test_prompt": "<|image_pad|> {question}"}}},
            "tasks.direct.test_prompt: must not have <|image_pad|>, which is a token of the model's own",
        ),
        (
            {"studies": {"same_task": {"tested_on": ["counting", "gemetry"]}}},
            "studies.same_task.tested_on.1: unknown task 'gemetry'; did you mean geometry?",
        ),
        ({"studies": {"same_task": {"tested_on": []}}}, "studies.same_task.tested_on: Input should be 'own'"),
        (
            {"studies": {"same_task": {"tested_on": "others"}}},
            "studies.same_task.tested_on: Input should be 'own'",
        ),
        (
            piecewise([[0, 0.1], [9, 0.2]]),
            "methods.mine.kl_schedule.points: the last must be of step ",
        ),
        (
            piecewise([[1, 0.1], [1004, 0.2]]),
            "kl_schedule.points: steps must rise from 0 and not repeat, got [1.0, 1004.0]",
        ),
        (
            piecewise([[0, 0.1], [0.5, 0.2]]),
            "kl_schedule.points: steps must be whole numbers, got [0.0, 0.5]",
        ),
        (
            piecewise([[0, 0.1], [1004]]),
            "kl_schedule.points.1: List should have at least 2",
        ),
        (
            {"methods": {"sft": {"by_task": {1: {}}}}},
            "methods.sft.by_task.1: unknown task 1; known: counting",
        ),
        (
            {"methods": {"theirs": {"inherits": "base", "backbone": "thier"}}},
            "methods.theirs.backbone: unknown backbone 'thier'; known: qwen2_vl_2b_instruct",
        ),
        (
            {
                "methods": {
                    "theirs": {"trainer": "none", "backbone": "qwen2_vl_2b_instruct"},
                    "heirs": {"inherits": "theirs", "trained_on": "count"},
                }
            },
            "methods.heirs.trained_on: unknown task 'count'",
        ),
        (
            {"methods": {"base": {"by_task": {"geometry": {"backbone": "qwen2_vl_2b_instruct"}}}}},
            "methods.base.by_task: a method with `trainer: none` has the same weights for all tasks",
        ),
        (
            {"studies": {"report": {"tasks": ["counting"], "methods": ["base"], "tested_on": "own"}}},
            "studies.report: must not be runs, ",
        ),
        (
            {"methods": {"grpo-d": {"kl_schedule": {"kind": "constant"}}}},
            "--config: methods.grpo-d.kl_schedule.kind: an overlay cannot change the kind",
        ),
        (
            {"methods": {"sft": {"target": "answers"}}},
            "methods.sft.target: Input should be 'answer', 'reasoning' or 'r1v'",
        ),
    ],
)
def test_mistakes_in_variants_schedules_and_tests(overrides: dict[str, Any], said: str) -> None:
    assert said in refusal(overrides)


SPLIT = {"variant_of": "counting", "validation": {"share": 0.1, "seed": 0}}
CHOICE = {
    "candidates": {
        "grpo": [{"kl_schedule.weight": 0.1}, {"kl_schedule.weight": 0.2}],
        "grpo-d": [{"kl_schedule.maximum": 0.1}, {"kl_schedule.maximum": 0.2, "format_weight": 0.5}],
    },
    "seeds": [1, 2],
    "baseline": "grpo",
}


def chosen(choice: dict[str, Any], **grid: Any) -> dict[str, Any]:
    """Overrides with a study that chooses among candidates."""
    mine = {"tasks": ["split"], "methods": ["base", "grpo", "grpo-d"], "tested_on": "all"}
    mine |= {"seeds": [3, 4], "choice": CHOICE | choice} | grid
    return {"tasks": {"split": SPLIT}, "studies": {"mine": mine}}


def test_a_choice_among_candidates_is_sound() -> None:
    config = study(**chosen({}))
    assert config.tasks["split"].train == "clevr_37k.rest"
    asked = config.tasks["split.validation"]
    assert (asked.test, asked.test_prompt) == ("clevr_37k.validation", config.tasks["counting"].test_prompt)
    assert config.own_tasks == ["counting", "geometry"]
    assert config.trained_tasks == ["counting", "geometry", "split"]
    assert config.whole_set("clevr_37k.rest") == config.whole_set("clevr_37k") == "clevr_37k"


def test_variants_of_a_split_task_train_on_the_same_rest() -> None:
    split = {"validation": {"share": 0.1, "seed": 0}}
    config = study(tasks={"counting": split, "direct": DIRECT})
    assert config.tasks["counting"].train == config.tasks["direct"].train == "clevr_37k.rest"
    assert config.trained_tasks == ["counting", "geometry"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (chosen({"seeds": [2, 3]}), "studies.mine.choice.seeds.1: 3 is a seed of the comparison too"),
        (chosen({"seeds": [1, 42]}, seeds=[]), "choice.seeds.1: 42 is a seed of the comparison too"),
        (chosen({"seeds": [1, 1]}), "studies.mine.choice.seeds.1: 1 is in the list already"),
        (chosen({"seeds": []}), "studies.mine.choice.seeds: List should have at least 1"),
        (chosen({}, tasks=["counting"]), "mine.choice: needs validation items, but task counting has no"),
        (chosen({"baseline": "sft"}), "choice.baseline: unknown method of this study 'sft'"),
        (chosen({"baseline": "base"}), "choice.baseline: must be a method that is trained, got base"),
        (
            chosen({"candidates": CHOICE["candidates"] | {"base": [{"steps": 1}, {"steps": 2}]}}),
            "studies.mine.choice.candidates.base: must be a method that is trained, got base",
        ),
        (
            chosen({}, tested_on="other"),
            "studies.mine.tested_on: must have counting too: a comparison is of the task trained on",
        ),
        (chosen({}, tested_on=["geometry"]), "studies.mine.tested_on: must have counting too"),
        (
            chosen({"candidates": CHOICE["candidates"] | {"sft": [{"steps": 1}, {"steps": 2}]}}),
            "studies.mine.choice.candidates.sft: unknown method of this study 'sft'",
        ),
        (
            chosen(
                {
                    "candidates": CHOICE["candidates"]
                    | {"grpo": [{"format_weight": w} for w in (0.1, 0.2, 3.0)]}
                }
            ),
            "studies.mine.choice.candidates.grpo-d: has 2 candidates, others have 3",
        ),
        (
            chosen({"candidates": {"grpo": [{"steps": 9}]}}),
            "choice.candidates.grpo: List should have at least 2",
        ),
        (
            chosen({"candidates": {"grpo": [{"kl_schedule.wait": 1}, {"steps": 1004}]}}),
            "studies.mine.choice.candidates.grpo.0.kl_schedule.wait: unknown setting of grpo",
        ),
        (
            chosen({"candidates": {"grpo": [{"steps": 1004}, {"format_weight": -1}]}}),
            "studies.mine.choice.candidates.grpo.1.format_weight: Input should be greater than or equal to 0",
        ),
        (
            chosen({"candidates": {"grpo": [{"format_weight": 0.5}, {"format_weight": 0.5}]}}),
            "studies.mine.choice.candidates.grpo.1: is in the list already",
        ),
        (chosen({}, vary={"steps": [1004]}), "studies.mine.vary: cannot be used together with choice"),
        (chosen({}, curves=True), "studies.mine.curves: cannot be used together with choice"),
        (
            {"tasks": {"split": SPLIT | {"validation": {"share": 1.0, "seed": 0}}}},
            "tasks.split.validation.share: Input should be less than 1",
        ),
        (
            {"tasks": {"split": SPLIT, "other": SPLIT | {"validation": {"share": 0.2, "seed": 0}}}},
            "tasks.other.validation: must be that of the other tasks that train on clevr_37k",
        ),
        ({"tasks": {"split": SPLIT | {"train": "clevr"}}}, "tasks.split.train: unknown source 'clevr'"),
        (
            {
                "sources": {
                    "mine": {
                        "kind": "part",
                        "of": "clevr_37k",
                        "part": "rest",
                        "validation": SPLIT["validation"],
                    }
                }
            },
            "sources.mine.kind: must not be part; give the task that trains on it `validation`",
        ),
        (
            {
                **chosen({}),
                "studies": chosen({})["studies"]
                | {"mine_seeds": {"tasks": ["counting"], "methods": ["base"], "tested_on": "own"}},
            },
            "studies.mine_seeds: must have another name: mine_seeds.csv compares the methods of mine",
        ),
    ],
)
def test_mistakes_in_choices_and_splits(overrides: dict[str, Any], said: str) -> None:
    assert said in refusal(overrides)


def grid(**changes: Any) -> dict[str, Any]:
    """Overrides with a study of GRPO and GRPO-D."""
    mine = {"tasks": ["counting"], "methods": ["grpo", "grpo-d"], "tested_on": "own"}
    return {"studies": {"mine": mine | changes}}


def test_changes_that_go_together_are_no_mistake() -> None:
    """Each alone would be one."""
    for together in (
        {"fix": {"steps": 10, "checkpoint_steps": [10], "kl_schedule.exploration_steps": 5}},
        {"fix": {"steps": 1200}, "vary": {"checkpoint_steps": [[1000], [1200]]}},
    ):
        runs = all_runs(study(**grid(methods=["grpo-d"], **together)))
        assert together["fix"]["steps"] in {run.settings.steps for run in runs if run.task}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            grid(
                methods=["grpo-d"],
                vary={"kl_schedule.minimum": [0, 0.03], "kl_schedule.maximum": [0.02, 0.05]},
            ),
            "studies.mine.vary.kl_schedule.minimum.1: must be at most maximum (0.02), got 0.03",
        ),
        (
            grid(methods=["grpo-d"], fix={"kl_schedule.minimum": 0.03}, vary={"kl_schedule.maximum": [0.02]}),
            "studies.mine.fix.kl_schedule.minimum: must be at most maximum (0.02), got 0.03",
        ),
        (
            grid(methods=["grpo"], fix={"steps": 1}),
            "studies.mine: grpo's checkpoint_steps must be at most steps (1), got",
        ),
        (
            grid(methods=["grpo"], fix={"kl_schedule": {"kind": "none"}, "kl_schedule.weight": 0.1}),
            "studies.mine.fix.kl_schedule.weight: unknown setting of grpo",
        ),
        (
            chosen(
                {
                    "candidates": {"grpo-d": [{"kl_schedule.maximum": m} for m in (1, 2)]},
                    "baseline": "grpo-d",
                },
                fix={"kl_schedule.minimum": 1.5},
                methods=["grpo-d"],
            ),
            "studies.mine.fix.kl_schedule.minimum: must be at most maximum (1), got 1.5",
        ),
        (
            chosen({"candidates": {"grpo-d": [{"steps": n} for n in (1, 2)]}}),
            "studies.mine.choice.candidates.grpo-d.0: grpo-d's ",
        ),
    ],
)
def test_changes_that_do_not_go_together(overrides: dict[str, Any], said: str) -> None:
    """Each alone is valid, but its run would not be."""
    assert said in refusal(overrides)


def test_grpo_d_inherits_all_but_the_schedule() -> None:
    methods = study().methods
    for task in ("counting", "geometry"):
        grpo = validate_settings(merged_settings(methods, "grpo", task))
        dynamic = validate_settings(merged_settings(methods, "grpo-d", task))
        assert isinstance(dynamic.kl_schedule, DynamicKL)
        assert dynamic.model_copy(update={"kl_schedule": grpo.kl_schedule}) == grpo


def test_published_kl_weights() -> None:
    methods = study().methods
    weights = {
        task: validate_settings(merged_settings(methods, "grpo", task)).kl_schedule.weight
        for task in ("counting", "geometry")
    }
    assert weights == {"counting": 0.04, "geometry": 0.01}
