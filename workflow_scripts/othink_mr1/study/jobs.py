"""The jobs of a study and the files between them, as rules/ describes them, for tools without Snakemake.

Names and files come from the functions that the rules call (workflow.py); here is only which rule makes
what of what. tests/workflow/test_reruns.py compares it with `snakemake -n`, job by job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from othink_mr1.study import plan, versions
from othink_mr1.study.data_plan import LEAKS, data_card
from othink_mr1.study.methods import SFT
from othink_mr1.study.sources import HubBackbone, RenderedSource
from othink_mr1.study.workflow import Study

# What they make is made again when its code changed (remade.py).
REMADE_RULES = ("score_answers", "fingerprint_dataset", "find_leaks")


@dataclass(frozen=True)
class Job:
    """All files are relative to the results root.

    name: of its log and its benchmark, `train_sft/<run>`. made_of: inputs that are `ancient()`, as their
    identity is in the outputs' names or in the plan. drawn_from: inputs whose time of writing counts.
    exhibit: whose plan file it has, if it has one.
    """

    rule: str
    name: str
    outputs: tuple[str, ...]
    made_of: tuple[str, ...] = ()
    drawn_from: tuple[str, ...] = ()
    exhibit: str | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """Those that other jobs make."""
        return (*self.made_of, *self.drawn_from)

    @property
    def log(self) -> str:
        """The job's log."""
        return f"logs/{self.name}.log"

    @property
    def benchmark(self) -> str:
        """The job's time and memory, by Snakemake."""
        return f"benchmarks/{self.name}.tsv"


def study_jobs(study: Study) -> list[Job]:
    """The jobs that `rule all` depends on, whether their files are there or not."""
    makers = {file: job for job in _all_jobs(study) for file in job.outputs}
    found: dict[str, Job] = {}
    waiting = [makers[file] for file in targets(study)]
    while waiting:
        job = waiting.pop()
        if job.name not in found:
            found[job.name] = job
            waiting += [makers[file] for file in job.inputs]
    return list(found.values())


def targets(study: Study) -> list[str]:
    """The files that `rule all` asks for."""
    return list(_files(study.exhibit_files()))


def exhibit_outputs(study: Study) -> dict[str, list[str]]:
    """Exhibit -> the files whose age Snakemake compares with its plan's: its outputs and its benchmark."""
    return {job.exhibit: [*job.outputs, job.benchmark] for job in _exhibits(study) if job.exhibit}


def _all_jobs(study: Study) -> Iterator[Job]:
    yield from _data(study)
    yield from _trainings(study)
    yield from _evaluations(study)
    yield from _exhibits(study)


def _data(study: Study) -> Iterator[Job]:
    for folder, source in study.raw_sources.items():
        rendered = isinstance(study.config.sources[source], RenderedSource)
        yield _job("render_source" if rendered else "download_dataset", folder, [study.raw_manifest(source)])
    for folder, source in study.data_sets.items():
        manifest = study.examples(source)
        yield _job("prepare_dataset", folder, [manifest], study.raw_manifests(folder).values())
        prints = study.fingerprints(source)
        yield _job("fingerprint_dataset", f"{folder}-{versions.LEAKS}", [prints], [manifest])
    for (pair, sets), report in zip(study.leak_pairs.items(), study.leak_reports(), strict=True):
        yield _job("find_leaks", pair, [report], map(study.fingerprints, sets))


def _trainings(study: Study) -> Iterator[Job]:
    for folder, backbone in study.backbones.items():
        output = [study.backbone_manifest(backbone)]
        if isinstance(study.config.backbones[backbone], HubBackbone):
            yield _job("download_backbone", folder, output)
        else:
            yield _job("pretrain_backbone", folder, output, study.pretraining_examples(folder))
    for name, run in study.runs.items():
        rule = "train_sft" if isinstance(run.settings, SFT) else "train_grpo"
        made_of = [study.train_examples(name), study.run_backbone(name)]
        yield _job(rule, name, [f"runs/{name}/manifest.json"], made_of)


def _evaluations(study: Study) -> Iterator[Job]:
    for checkpoint, (_, _, tasks) in study.checkpoints.items():
        answers = [file.format(checkpoint=checkpoint) for file in study.answers(tasks)]
        made_of = [study.checkpoint_manifest(checkpoint), *study.test_examples(tasks)]
        yield Job(
            f"generate_answers_{'_'.join(tasks)}",
            f"generate_answers/{checkpoint}-{'-'.join(tasks)}",
            tuple(_files(answers)),
            tuple(_files(made_of)),
        )
    for evaluation in plan.all_evaluations(study.config):
        scores = plan.scores_file(study.config, evaluation)
        _, checkpoint, tested, file = scores.split("/")
        name = f"{checkpoint}-{tested}-{file.removesuffix('.csv')}"
        yield _job("score_answers", name, [scores], [plan.answers_manifest(study.config, evaluation)])


def _exhibits(study: Study) -> Iterator[Job]:
    config, drawn = study.config, plan.drawn_exhibits(study.config)
    yield _exhibit(LEAKS, ["data/leaks.csv"], study.leak_reports())
    for task in config.own_tasks:
        made_of = [*study.data_card_sources(task), study.data_card_leaks(task)]
        yield _exhibit(data_card(task), [f"data/{task}.md", f"data/{task}.svg"], made_of, name=task)
    for name in config.studies:
        made_of = [*study.scores(name), *study.test_sets(name), *study.leak_reports(name)]
        yield _exhibit(name, [f"{name}.csv", f"tables/{name}.md"], made_of, name=name)
    for name in plan.collected_exhibits(config):
        if name not in config.studies:
            yield _exhibit(name, [f"{name}.csv"], study.run_manifests(name))
    yield _exhibit(plan.AUDIT, [f"{plan.AUDIT}.csv"], study.audited_files())
    if "claims" in drawn:
        yield _exhibit("claims", ["claims.csv"], study.claims_files(), study.claims_studies())
    if "table1" in drawn:
        tables = ["tables/table1.md", "tables/table1.tex"]
        yield _exhibit("table1", tables, drawn_from=[f"{name}.csv" for name in drawn["table1"]])
    for name in filter(plan.FIGURES.__contains__, drawn):
        files = [f"figures/{name}.{kind}" for kind in ("svg", "png", "html", "csv")]
        yield _exhibit(name, files, study.figure_pictures(name), study.figure_data(name), name=name)


def _job(rule: str, name: str, outputs: Iterable[str], made_of: Iterable[str] = ()) -> Job:
    return Job(rule, f"{rule}/{name}", tuple(_files(outputs)), tuple(_files(made_of)))


def _exhibit(
    exhibit: str,
    outputs: Sequence[str],
    made_of: Iterable[str] = (),
    drawn_from: Iterable[str] = (),
    name: str | None = None,
) -> Job:
    """name: what the rule's logs are named by, where it makes more than one exhibit."""
    rule = plan.entry_point(exhibit)
    return Job(
        rule,
        rule if name is None else f"{rule}/{name}",
        (*_files(outputs), f"made_of/{exhibit}.json"),
        tuple(_files(made_of)),
        tuple(_files(drawn_from)),
        exhibit,
    )


def _files(files: Iterable[str]) -> Iterator[str]:
    """Without the pathvar that the rules' files begin with."""
    return (file.removeprefix("<results>/") for file in files)
