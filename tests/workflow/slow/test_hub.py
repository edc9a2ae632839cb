"""From nothing to a result through a hub: unchanged rules, the real client, a server with its protocol."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from fake_hub import FakeHub
from othink_mr1.data.examples import read_examples
from real_layout import BACKBONE, ITEMS, RealLayout, make_real_layout
from snakemake_runs import copy_repository, job_counts, run_snakemake

pytestmark = pytest.mark.smoke

SENTINEL = "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"
CONFIGS = ["--configfile", "tests/study.yaml", "hub.yaml", "--cores", "3"]


@dataclass
class Site:
    """A checkout whose config goes to a fake hub."""

    checkout: Path
    hub: FakeHub
    home: Path

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        own = {"HF_ENDPOINT": self.hub.endpoint, "HF_TOKEN": SENTINEL, "HF_HOME": str(self.home)}
        return run_snakemake(self.checkout, [*CONFIGS, *arguments], timeout=600, variables=own | variables)

    @property
    def results(self) -> Path:
        return self.checkout / "results" / "hub"


def overlay(layout: RealLayout, hub: FakeHub) -> dict[str, object]:
    """The paper's own sources and backbone again, over the smoke study; only addresses and sizes differ."""
    return {
        "results": "results/hub",
        "backbone": "qwen2_vl_2b_instruct",
        "backbones": {"qwen2_vl_2b_instruct": {"revision": hub.commit(f"models/{BACKBONE}")}},
        "sources": {
            **layout.prompt_sources(f"{hub.endpoint}/raw"),
            "geoqa_test": {"expect_rows": ITEMS},
            "superclevr_test": {"expect_rows": ITEMS},
        },
        "tasks": {
            "counting": {"train": "clevr_37k", "test": "superclevr_test"},
            "geometry": {"train": "geoqa_8k", "test": "geoqa_test"},
        },
        "studies": {"same_task": {"tasks": ["geometry"], "methods": ["base", "sft", "grpo-d"]}},
    }


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> RealLayout:
    return make_real_layout(tmp_path_factory.mktemp("layout"))


@pytest.fixture(scope="module")
def site(layout: RealLayout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    checkout = copy_repository(tmp_path_factory.mktemp("hub"))
    with FakeHub(layout.served(), token=SENTINEL, cdn=True).start() as hub:
        (checkout / "hub.yaml").write_text(json.dumps(overlay(layout, hub)))
        yield Site(checkout, hub, tmp_path_factory.mktemp("home"))


def failed(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout[-3000:] + done.stderr[-3000:]


# The tests of this module follow each other on one site, as a user's calls do.


def test_download_fetches_all_that_needs_the_internet(site: Site) -> None:
    done = site.run("download")
    assert done.returncode == 0, failed(done)
    assert job_counts(done.stdout + done.stderr) == {
        "download": 1,
        "download_dataset": 6,
        "download_backbone": 1,
        "total": 8,
    }
    lock = json.loads((site.checkout / "downloads.lock.json").read_text())
    assert {key: entry["commit"] for key, entry in lock.items()} == {
        f"dataset/{name}@main": site.hub.commit(f"datasets/{name}")
        for name in (
            "leonardPKU/GEOQA_R1V_Train_8K",
            "MMInstruction/Clevr_CoGenT_TrainA_R1",
            "Luckyjhg/Geo170K",
            "tobiaslee/Super_clevr200",
        )
    }
    fetched = {path.split("/")[-1] for path in (request.path for request in site.hub.matching("GET"))}
    assert not {"pytorch_model.bin", "modeling_qwen2_vl.py", "qa_tuning.json"} & fetched


def test_a_second_download_makes_no_request(site: Site) -> None:
    before = site.hub.asked()
    done = site.run("download")
    assert done.returncode == 0, failed(done)
    assert site.hub.asked() == before


def test_the_rest_needs_no_internet(site: Site) -> None:
    before = site.hub.asked()
    targets = ("same_task.csv", "data/leaks.csv", "data/counting.md", "data/geometry.md")
    done = site.run(
        *(f"results/hub/{name}" for name in targets),
        HF_HUB_OFFLINE="1",
        HF_ENDPOINT="http://127.0.0.1:9",
    )
    assert done.returncode == 0, failed(done)
    assert site.hub.asked() == before
    ran = job_counts(done.stdout + done.stderr)
    assert (ran["prepare_dataset"], ran["train_sft"], ran["train_grpo"]) == (4, 1, 1)
    accuracy = pd.read_csv(site.results / "same_task.csv")
    assert list(accuracy.method) == ["base", "sft", "grpo-d"]
    assert (accuracy["items"] == ITEMS).all()


def test_the_prepared_sets_are_what_the_hub_holds(site: Site) -> None:
    sets = {path.parent.name.rsplit("-", 1)[0]: path for path in site.results.glob("data/*/examples.parquet")}
    # tests/study.yaml has a task with a validation split.
    parts = {"geoqa_8k.rest", "geoqa_8k.validation"}
    assert set(sets) == {"clevr_37k", "geoqa_8k", "superclevr_test", "geoqa_test"} | parts
    assert sum(len(list(read_examples(sets[name]))) for name in parts) == ITEMS
    for name, path in sets.items():
        examples = list(read_examples(path))
        assert len(examples) == ITEMS or name in parts
        assert all(bool(example.reasoning) == (name == "clevr_37k") for example in examples)
    card = (site.results / "data" / "geometry.md").read_text()
    assert site.hub.commit("datasets/leonardPKU/GEOQA_R1V_Train_8K") in card
    assert "apache-2.0" in card


def test_a_run_given_away_is_a_commit_on_the_hub(site: Site, tmp_path: Path) -> None:
    program = [sys.executable, "workflow_scripts/export.py", "--overlay", "tests/study.yaml"]
    arguments = ["--overlay", "hub.yaml", "--run", "geometry-grpo-d", "--output", str(tmp_path / "model")]
    push = ["--bf16", "--push", "owner/my-model"]
    own = {"HF_ENDPOINT": site.hub.endpoint, "HF_TOKEN": SENTINEL, "HF_HOME": str(site.home)}
    done = subprocess.run(
        [*program, *arguments, *push],
        cwd=site.checkout,
        env=os.environ | own | {"HF_HUB_DISABLE_XET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, failed(done)
    commit = site.hub.commits["models/owner/my-model"][site.hub.commit("models/owner/my-model")]
    assert f"{site.hub.endpoint}/owner/my-model/commit/{commit.sha}" in done.stdout
    pushed = {name: file.read() for name, file in commit.files.items() if name != ".gitattributes"}
    assert pushed == {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    header = YAML(typ="safe").load(pushed["README.md"].decode().split("---\n")[1])
    assert header["base_model"] == BACKBONE
    assert header["datasets"] == ["leonardPKU/GEOQA_R1V_Train_8K"]
    assert header["license"] == "apache-2.0"
    assert pushed["README.md"].decode().count("apache-2.0") == 3  # of the training set too


def test_the_full_archive_by_choice(site: Site) -> None:
    """From a repository that the hub lists among the models."""
    choice = "sources={superclevr_test: {images: superclevr_all_images}}"
    done = site.run("download", "--config", choice)
    assert done.returncode == 0, failed(done)
    assert job_counts(done.stdout + done.stderr)["download_dataset"] == 1
    (folder,) = site.results.glob("raw/superclevr_all_images-*")
    assert (folder / "images.zip").exists()


def test_a_lost_lock_file_is_written_again(site: Site) -> None:
    lock = site.checkout / "downloads.lock.json"
    before = json.loads(lock.read_text())
    lock.unlink()
    assert site.run("-n", "download").returncode == 0
    # Of what this config uses; the full archive was another choice's.
    assert json.loads(lock.read_text()) == {
        key: entry for key, entry in before.items() if key != "model/leonardPKU/superclevr@main"
    }


def test_a_moved_branch_is_an_error_that_says_what_to_write(site: Site, layout: RealLayout) -> None:
    name = "leonardPKU/GEOQA_R1V_Train_8K"
    old = site.hub.commit(f"datasets/{name}")
    new = site.hub.put(f"datasets/{name}", layout.datasets[name] | {"README.md": b"moved"})
    (folder,) = site.results.glob("raw/geoqa_8k-*")
    shutil.rmtree(folder)
    done = site.run("download")
    assert done.returncode != 0
    (log,) = site.results.glob("logs/download_dataset/geoqa_8k-*.log")
    error = log.read_text().splitlines()[-1]
    assert error.startswith("error: ")
    for part in (name, old, new, "revision: ", "config.yaml"):
        assert part in error
    assert not (folder / "manifest.json").exists()


def test_a_download_that_the_lock_file_contradicts_stops_everything(site: Site) -> None:
    lock = site.checkout / "downloads.lock.json"
    content = json.loads(lock.read_text())
    content["dataset/Luckyjhg/Geo170K@main"]["commit"] = "f" * 40
    lock.write_text(json.dumps(content))
    done = site.run("-n", "all")
    assert done.returncode == 1
    (error,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert "Luckyjhg/Geo170K" in error
    assert "f" * 40 in error
    assert "Traceback" not in done.stderr


def test_the_token_is_nowhere_but_in_requests_to_the_hub(site: Site) -> None:
    """After all of the above, failures too: Snakemake prints the commands of failed jobs.

    The fake CDN answers 400 to whoever sends it a token, so the download would have failed.
    """
    assert {request.server for request in site.hub.requests} == {"hub", "cdn"}
    for request in site.hub.requests:
        sent = SENTINEL in json.dumps(request.headers)
        # What is uploaded goes to an address that is signed; the library asks for a list of agents' names.
        without = ("/raw/", "/lfs-objects/", "/api/agent-harnesses")
        on_the_hub = request.server == "hub" and not request.path.startswith(without)
        assert sent == on_the_hub, request
    found = [
        path
        for root in (site.checkout, site.home)
        for path in root.rglob("*")
        if path.is_file() and SENTINEL.encode() in path.read_bytes()
    ]
    assert found == []
    assert len(list(site.checkout.glob(".snakemake/log/*"))) >= 3  # there was something to search
