"""What the Snakefile asks of the study: files, names and lookups. Imports no Snakemake.

A mistake in the config ends the process with one line here (`sys.exit(message)`), because Snakemake
adds a traceback to every other exception.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from othink_mr1.errors import UserError
from othink_mr1.study import data_plan, folders, plan, versions
from othink_mr1.study.cluster_facts import Asked, ClusterFacts, asked_resources, cluster_facts
from othink_mr1.study.code_of_stages import Stage
from othink_mr1.study.config import StudyConfig, Task
from othink_mr1.study.downloaded import check_downloads
from othink_mr1.study.execution import DeviceResources, Resources
from othink_mr1.study.identity import canonical
from othink_mr1.study.load_config import load_study
from othink_mr1.study.manifests import MANIFEST
from othink_mr1.study.methods import GRPO, SFT
from othink_mr1.study.module_digests import Modules
from othink_mr1.study.name_patterns import pattern
from othink_mr1.study.one_snakemake import hold_results
from othink_mr1.study.preflight import Request, check_cluster, check_internet, warn_of_forgotten_jobs
from othink_mr1.study.remade import CheapResults, code_file
from othink_mr1.study.runs import Run, all_runs, description
from othink_mr1.study.sources import HubBackbone, PromptsSource, RenderedSource, SmallBackbone

# Beside config.yaml and meant to be committed, like it.
DOWNLOAD_LOCK = "downloads.lock.json"


def put_own_python_on_path() -> None:
    """Let `python` in the rules be the one that runs Snakemake; `.venv/bin/snakemake` alone does not.

    In the environment rather than in a shell prefix, so that the environment of --sdm conda or apptainer,
    activated later, comes first.
    """
    own = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([own, *filter(None, [os.environ.get("PATH")])])


def read_study(files: Sequence[str | Path], overrides: Mapping[str, Any]) -> Study:
    """The study of config files; a mistake in them ends the process."""
    try:
        return Study(load_study([Path(file) for file in files], overrides))
    except UserError as error:
        sys.exit(f"error: {error}")


@contextmanager
def ending_on_mistakes(results: Path) -> Iterator[None]:
    """End the process with one line when the files in plans/ cannot be written, or a module is no Python."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(
            f"error: {error.filename or results}: plan file cannot be written: {error.strerror}; check "
            "`results`, its disk, and where it leads if it is a link"
        )


class Study:
    """The config and everything that follows from it. All paths begin with `<results>`."""

    def __init__(self, config: StudyConfig) -> None:
        self.config = config
        self.cluster = ClusterFacts()
        self._limits: dict[str, float] = {}  # partition -> minutes, once Slurm was asked

    # Names. Each dict maps the name in a path, digest included, to what it stands for.

    @cached_property
    def runs(self) -> dict[str, Run]:
        """Run name -> run, of the runs that are trained."""
        return {run.name: run for run in all_runs(self.config) if run.trained}

    @cached_property
    def raw_sources(self) -> dict[str, str]:
        """Folder name under raw/ -> source, of the sources that have raw files of their own."""
        names = (
            name for name, source in self.config.sources.items() if not isinstance(source, PromptsSource)
        )
        return {Path(folders.raw_folder(self.config, name)).name: name for name in names}

    @cached_property
    def data_sets(self) -> dict[str, str]:
        """Folder name under data/ -> source."""
        return {Path(folders.data_folder(self.config, name)).name: name for name in self.config.sources}

    @cached_property
    def backbones(self) -> dict[str, str]:
        """Folder name under backbones/ -> backbone."""
        return {Path(folders.backbone_folder(self.config, name)).name: name for name in self.config.backbones}

    @cached_property
    def checkpoints(self) -> dict[str, tuple[Run, int | None, tuple[str, ...]]]:
        """Checkpoint name -> run, step (None: the final one) and the tasks that it is tested on."""
        return plan.tested_tasks_by_checkpoint(self.config)

    @cached_property
    def tested_tasks(self) -> dict[str, str]:
        """Folder name under answers/<checkpoint>/ -> task."""
        return {folders.tested_task(self.config, task): task for task in self.config.tasks}

    # Subsets of the names, as regular expressions for wildcard constraints.

    def rendered(self) -> str:
        """Raw folders that the workflow draws itself."""
        return _any_of(n for n, s in self.raw_sources.items() if isinstance(self._source(s), RenderedSource))

    def downloaded(self) -> str:
        """Raw folders that come from elsewhere."""
        return _any_of(
            n for n, s in self.raw_sources.items() if not isinstance(self._source(s), RenderedSource)
        )

    def downloaded_backbones(self) -> str:
        """Backbones that come from the hub."""
        return _any_of(
            n for n, b in self.backbones.items() if isinstance(self.config.backbones[b], HubBackbone)
        )

    def pretrained_backbones(self) -> str:
        """Backbones that the workflow pretrains."""
        return _any_of(
            n for n, b in self.backbones.items() if isinstance(self.config.backbones[b], SmallBackbone)
        )

    def sft_runs(self) -> str:
        """Runs that SFT trains."""
        return self._runs_of(SFT)

    def grpo_runs(self) -> str:
        """Runs that GRPO trains, whatever their KL schedule."""
        return self._runs_of(GRPO)

    def _runs_of(self, settings: type[SFT | GRPO]) -> str:
        members = {name for name, run in self.runs.items() if isinstance(run.settings, settings)}
        return pattern(members, self.runs.keys() - members)

    def task_sets(self) -> dict[tuple[str, ...], str]:
        """Each set of tasks that some checkpoint is tested on -> those checkpoints."""
        members: dict[tuple[str, ...], list[str]] = {}
        for checkpoint, (_, _, tasks) in self.checkpoints.items():
            members.setdefault(tasks, []).append(checkpoint)
        return {
            tasks: pattern(names, self.checkpoints.keys() - set(names)) for tasks, names in members.items()
        }

    def checkpoint_names(self) -> str:
        """All checkpoints."""
        return pattern(self.checkpoints)

    # Files. Of an artefact folder it is the manifest: all that the rules declare of it.

    def raw_manifest(self, source: str) -> str:
        """The manifest of a source's raw files."""
        return f"<results>/{folders.raw_folder(self.config, source)}/manifest.json"

    def raw_manifests(self, data_set: str) -> dict[str, str]:
        """What a prepared set is made of: the raw folder, or prompts and images."""
        parts = data_plan.raw_parts(self.config, self.data_sets[data_set])
        return {part: self.raw_manifest(source) for part, source in parts.items()}

    def examples(self, source: str) -> str:
        """The manifest of a source's prepared examples."""
        return f"<results>/{folders.data_folder(self.config, source)}/manifest.json"

    def train_examples(self, run: str) -> str:
        """The prepared training set of a run."""
        return self.examples(self._task(self._run(run).task).train)

    def test_examples(self, tasks: Sequence[str]) -> list[str]:
        """The prepared test sets of tasks."""
        return [self.examples(self.config.tasks[task].test) for task in tasks]

    def pretraining_examples(self, backbone: str) -> list[str]:
        """The prepared sets of a small backbone, in the order of its `pretraining` entries."""
        shares = self._small_backbone(backbone).pretraining.values()
        return [self.examples(share.source) for share in shares]

    def backbone_manifest(self, backbone: str) -> str:
        """The manifest of a backbone."""
        return f"<results>/{folders.backbone_folder(self.config, backbone)}/manifest.json"

    def run_backbone(self, run: str) -> str:
        """The backbone that a run starts from."""
        return self.backbone_manifest(self._run(run).backbone)

    def checkpoint_manifest(self, checkpoint: str) -> str:
        """What must exist before a checkpoint's answers can be generated: its run, or its backbone."""
        if checkpoint not in self.checkpoints:
            raise UserError(f"{checkpoint}: no checkpoint of this config; `snakemake -n all` lists all")
        run, _, _ = self.checkpoints[checkpoint]
        return (
            f"<results>/runs/{run.name}/manifest.json"
            if run.trained
            else self.backbone_manifest(run.backbone)
        )

    def answers(self, tasks: Sequence[str]) -> list[str]:
        """The manifests of the answers of one generation job, with the wildcard {checkpoint}."""
        tested = [folders.tested_task(self.config, task) for task in tasks]
        return [f"<results>/answers/{{checkpoint}}/{folder}/manifest.json" for folder in tested]

    def scores(self, study: str) -> list[str]:
        """All scores of a study."""
        found = plan.evaluations(self.config, study)
        return [f"<results>/{plan.scores_file(self.config, evaluation)}" for evaluation in found]

    def test_sets(self, study: str) -> list[str]:
        """The test sets of a study, whose pictures tell which of its items are dependent."""
        found = plan.evaluations(self.config, study)
        return self.test_examples(sorted({evaluation.tested_on for evaluation in found}))

    def claims_studies(self) -> list[str]:
        """The csv files of the studies that claims are about: made first, and made of the same."""
        return [f"<results>/{name}.csv" for name in plan.CLAIMS_NEED]

    def claims_files(self) -> list[str]:
        """The scores and test sets that the claims are checked on."""
        files = [file for name in plan.CLAIMS_NEED for file in (*self.scores(name), *self.test_sets(name))]
        return list(dict.fromkeys(files))

    def audited_files(self) -> list[str]:
        """The answers and scores of all evaluations."""
        found = plan.all_evaluations(self.config)
        files = [plan.answers_manifest(self.config, entry) for entry in found]
        files += [plan.scores_file(self.config, entry) for entry in found]
        return [f"<results>/{file}" for file in files]

    def downloads(self) -> list[str]:
        """The manifests of all that the study needs from the internet."""
        return [f"<results>/{folder}/manifest.json" for folder in data_plan.downloads(self.config)]

    def fingerprints(self, source: str) -> str:
        """The fingerprints of a prepared set."""
        return f"<results>/{folders.fingerprints_file(self.config, source)}"

    @cached_property
    def leak_pairs(self) -> dict[str, tuple[str, str]]:
        """Name of a leak report -> its training source and its test source."""
        return {Path(file).stem: pair for file, pair in data_plan.leak_pairs(self.config).items()}

    def leak_reports(self, study: str | None = None) -> list[str]:
        """The leak reports of a study's runs, or all of them."""
        if study is None:
            return [f"<results>/{file}" for file in data_plan.leak_pairs(self.config)]
        found = (plan.leaks_of(self.config, entry) for entry in plan.evaluations(self.config, study))
        return [f"<results>/{file}" for file in sorted({file for file in found if file is not None})]

    def leak_arguments(self, pair: str) -> str:
        """The names of a pair's sets, for the shell, and whether they must share nothing."""
        train, test = self.leak_pairs[pair]
        refuse = " --refuse" if data_plan.must_be_disjoint(self.config, train, test) else ""
        return f"--train-name {train} --test-name {test}{refuse}"

    def data_card_sources(self, task: str) -> list[str]:
        """The two sets of a task, with the manifests of their raw files."""
        declared = self.config.tasks[task]
        sets = (declared.train, declared.test)
        parts = [part for name in sets for part in data_plan.raw_parts(self.config, name).values()]
        return [*map(self.examples, sets), *map(self.raw_manifest, dict.fromkeys(parts))]

    def data_card_leaks(self, task: str) -> str:
        """The leak report of a task's two sets."""
        declared = self.config.tasks[task]
        return f"<results>/{folders.leaks_file(self.config, declared.train, declared.test)}"

    def run_manifests(self, exhibit: str) -> list[str]:
        """The runs of `runs.csv` or `reward_curves.csv`."""
        return [
            f"<results>/{row['folder']}/manifest.json" for row in plan.runs_plan(self.config, exhibit)["runs"]
        ]

    def figure_data(self, figure: str) -> list[str]:
        """The csv files that a figure is drawn from."""
        csv = list(plan.FIGURES[figure])
        return [f"<results>/{name}.csv" for name in (["reward_curves"] if figure == "figure5" else csv)]

    def figure_pictures(self, figure: str) -> list[str]:
        """The test sets, answers, scores and leak reports that a figure shows items of."""
        if figure == "figure2":
            return self.test_examples(self.config.own_tasks)
        if figure not in ("figure3", "figure8"):
            return []
        found = [entry for study in plan.FIGURES[figure] for entry in plan.evaluations(self.config, study)]
        files = [plan.answers_manifest(self.config, entry) for entry in found]
        files += [plan.scores_file(self.config, entry) for entry in found]
        tested = sorted({entry.tested_on for entry in found})
        leaks = [file for study in plan.FIGURES[figure] for file in self.leak_reports(study)]
        return [*self.test_examples(tested), *(f"<results>/{file}" for file in files), *leaks]

    # Code. A cheap stage's result that other code made has that stage's file among its inputs; see remade.py.

    def is_of_older_code(self, file: str) -> bool:
        """Whether a file of a cheap stage is there, and other code made it."""
        return self._cheap_results.is_of_older_code(file.removeprefix("<results>/"))

    def has_older_code(self) -> bool:
        """Whether other code made any result of a cheap stage."""
        files = (file for made in self.cheap_results().values() for file in made)
        return any(map(self.is_of_older_code, files))

    def scoring_code(self, checkpoint: str, tested_task: str, scorer_version: str) -> list[str]:
        """The file of the scorer's code, if other code made these scores."""
        file = f"scores/{checkpoint}/{tested_task}/{scorer_version}.csv"
        needed = [f"answers/{checkpoint}/{tested_task}/{MANIFEST}"]
        scorer = self.config.tasks[self.tested_tasks[tested_task]].scorer
        return self._changed_code(Stage("score", scorer), file, needed)

    def fingerprint_code(self, data_set: str) -> list[str]:
        """The file of the fingerprints' code, if other code made those of the set."""
        file = folders.fingerprints_file(self.config, self.data_sets[data_set])
        return self._changed_code(Stage("fingerprint"), file, [f"data/{data_set}/{MANIFEST}"])

    def leaks_code(self, pair: str) -> list[str]:
        """The file of the leaks' code, if other code made the report of the pair."""
        sets = self.leak_pairs[pair]
        needed = [folders.fingerprints_file(self.config, source) for source in sets]
        return self._changed_code(plan.FIND_LEAKS, folders.leaks_file(self.config, *sets), needed)

    def cheap_results(self) -> dict[Stage, list[str]]:
        """Each cheap stage -> its results, relative to the results root."""
        made: dict[Stage, list[str]] = {}
        for evaluation in plan.all_evaluations(self.config):
            stage = plan.scoring(self.config, evaluation)
            made.setdefault(stage, []).append(plan.scores_file(self.config, evaluation))
        made[plan.FIND_LEAKS] = list(data_plan.leak_pairs(self.config))
        made[Stage("fingerprint")] = [
            folders.fingerprints_file(self.config, source) for source in self.config.sources
        ]
        return made

    def write_code_files(self) -> None:
        """Write the files of the cheap stages' code, where they changed or something is to be made anew."""
        with ending_on_mistakes(Path(self.config.results)):
            self._cheap_results.write_code_files(self.cheap_results())

    def exhibit_files(self) -> list[str]:
        """Every exhibit that the config's studies suffice for."""
        drawn = plan.drawn_exhibits(self.config)
        files = [f"<results>/{name}.csv" for name in plan.collected_exhibits(self.config)]
        files += ["<results>/scorer_audit.csv", "<results>/data/leaks.csv"]
        files += [f"<results>/tables/{name}.md" for name in self.config.studies]
        files += [f"<results>/data/{task}.{kind}" for task in self.config.own_tasks for kind in ("md", "svg")]
        files += ["<results>/claims.csv"] if "claims" in drawn else []
        if "table1" in drawn:
            files += ["<results>/tables/table1.md", "<results>/tables/table1.tex"]
        figures = [name for name in drawn if name in plan.FIGURES]
        files += [f"<results>/figures/{name}.{kind}" for name in figures for kind in ("svg", "png", "html")]
        return files

    # Parameters of the entry points: canonical JSON.

    def run_json(self, run: str) -> str:
        """The run description of a training job."""
        return canonical(description(self.config, self.runs[run]).model_dump(mode="json"))

    def source_json(self, source: str) -> str:
        """A source's settings."""
        return canonical(self._source(source).model_dump(mode="json"))

    def backbone_json(self, backbone: str) -> str:
        """A backbone's settings, by the name of its folder."""
        return canonical(self.config.backbones[self.backbones[backbone]].model_dump(mode="json"))

    def preparation_arguments(self, data_set: str) -> str:
        """Form and limits of a preparation, and the scorers of the tasks that use the set, for the shell."""
        name = self.data_sets[data_set]
        source = self._source(name)
        is_test = isinstance(source, PromptsSource) or (
            isinstance(source, RenderedSource) and source.split == "test"
        )
        limits = self.config.preparation
        arguments = (
            f"--form {'prompts' if is_test else 'parquet'} --max-pixels {limits.max_pixels}"
            f" --max-prompt-tokens {limits.max_prompt_tokens}"
            f" --largest-unusable-share {limits.largest_unusable_share}"
        )
        tasks = self.config.tasks.values()
        scorers = sorted({task.scorer for task in tasks if name in (task.train, task.test)})
        if scorers:
            arguments += f" --scorers {' '.join(scorers)}"
        if isinstance(source, PromptsSource):
            return f"{arguments} --expect-rows {source.expect_rows}"
        if isinstance(source, RenderedSource):
            return f"{arguments} --expect-rows {source.items}"
        return arguments

    def execution_json(self, stage: str) -> str:
        """The execution preset of a stage."""
        return canonical(getattr(self.config.execution, stage).model_dump(mode="json"))

    def generation_arguments(
        self, tasks: Sequence[str], examples: Sequence[str], answers: Sequence[str]
    ) -> str:
        """What a generation job is told about its tasks, for the shell. examples, answers: manifests."""
        arguments = []
        for name, set_manifest, answers_manifest in zip(tasks, examples, answers, strict=True):
            task = {
                "name": name,
                "prompt": self.config.tasks[name].test_prompt,
                "max_new_tokens": self.config.tasks[name].max_new_tokens,
                "examples": str(Path(set_manifest).with_name("examples.parquet")),
                "output": str(Path(answers_manifest).parent),
            }
            arguments.append(f"--task {shlex.quote(canonical(task))}")
        return " ".join(arguments)

    def checkpoint_folder(self, checkpoint: str, manifest: str) -> str:
        """Where a checkpoint's weights are, given the manifest of its run or backbone."""
        run, step, _ = self.checkpoints[checkpoint]
        folder = Path(manifest).parent
        if run.trained:
            folder /= "checkpoint" if step is None else f"checkpoint-{step}"
        return str(folder)

    def scorer_version(self) -> str:
        """Names of the files of the scores, as a regular expression."""
        return _any_of(f"{task.scorer}-{versions.SCORER}" for task in self.config.tasks.values())

    def scorer(self, tested_task: str) -> str:
        """The task and the scorer of a folder of answers, `task=scorer`."""
        task = self.tested_tasks[tested_task]
        return f"{task}={self.config.tasks[task].scorer}"

    # Resources.

    def threads(self, stage: str, cores: int) -> int:
        """Threads of a local job. A job with a GPU takes all cores, so that two do not run at once."""
        resources: Resources = getattr(self.config.execution, stage)
        if isinstance(resources, DeviceResources) and resources.gpus > 0:
            return cores
        return resources.cpus

    def resources(self, stage: str) -> dict[str, Asked]:
        """What a Slurm job of the stage asks for; time and memory limits are the config's."""
        return asked_resources(getattr(self.config.execution, stage), self.cluster, self._limits)

    def read_cluster(self, resources: Mapping[str, str]) -> None:
        """Take the cluster's facts from a profile's default resources, by their text there."""
        try:
            self.cluster = cluster_facts(resources)
        except UserError as error:
            sys.exit(f"error: {error}")

    def hold_results(self) -> None:
        """Let no other Snakemake work on the results until this process ends."""
        try:
            hold_results(Path(self.config.results))
        except UserError as error:
            sys.exit(f"error: {error}")

    def preflight(self, requests: Sequence[Request], downloads: Sequence[str], asks_squeue: bool) -> None:
        """Say what cannot work before jobs are submitted to Slurm. downloads: manifests to be downloaded.

        asks_squeue: Snakemake asks squeue how jobs are, not the accounting.
        """
        results = Path(self.config.results)
        missing = [str(Path(manifest).parent.relative_to(results)) for manifest in downloads]
        try:
            check_internet(self.config, missing)
            if requests:
                self._limits |= check_cluster(requests, results, self.cluster)
                if asks_squeue:
                    warn_of_forgotten_jobs()
        except UserError as error:
            sys.exit(f"error: {error}")

    def check_downloads(self) -> None:
        """Compare what was downloaded from branches with the commits that the lock file names."""
        try:
            check_downloads(self.config, Path(self.config.results), Path(DOWNLOAD_LOCK))
        except UserError as error:
            sys.exit(f"error: {error}")

    @cached_property
    def _cheap_results(self) -> CheapResults:
        results = Path(self.config.results)
        return CheapResults(results, Modules(results=results))

    def _changed_code(self, stage: Stage, file: str, needed: Sequence[str]) -> list[str]:
        """needed: what the file is made of. Where that was deleted, to make it again may cost days, so the
        file stays, and exhibits say that it is of older code."""
        if not all((Path(self.config.results) / path).exists() for path in needed):
            return []
        return [f"<results>/{code_file(stage)}"] if self.is_of_older_code(f"<results>/{file}") else []

    def _source(self, name: str) -> Any:
        return self.config.sources[name]

    def _run(self, name: str) -> Run:
        if name not in self.runs:
            raise UserError(f"{name}: no run of this config; `snakemake -n all` lists all")
        return self.runs[name]

    def _task(self, name: str | None) -> Task:
        assert name is not None
        return self.config.tasks[name]

    def _small_backbone(self, folder: str) -> SmallBackbone:
        backbone = self.config.backbones[self.backbones[folder]]
        assert isinstance(backbone, SmallBackbone)
        return backbone


def _any_of(names: Any) -> str:
    """A regular expression that matches exactly these names; one that matches nothing if there are none."""
    return "|".join(re.escape(name) for name in sorted(names)) or "(?!)"
