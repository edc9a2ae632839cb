"""What jobs ask a cluster for, and what is read from a cluster's own words."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from othink_mr1.cluster import connection as internet
from othink_mr1.cluster.connection import unreachable
from othink_mr1.cluster.facts import ClusterFacts, cluster_facts
from othink_mr1.cluster.job_resources import asked_resources
from othink_mr1.cluster.preflight import Request, check_slurm
from othink_mr1.cluster.shared_files import sharing_of
from othink_mr1.cluster.slurm import is_of_the_nodes, refusal
from othink_mr1.cluster.time_limits import minutes_of
from othink_mr1.config.execution import GenerationExecution, Resources
from othink_mr1.config.load import load_study
from othink_mr1.errors import UserError
from repository import REPOSITORY
from tiny import execution

SMALL = Resources(cpus=2, memory_gb=1.5, hours=20)
ON_GPU = GenerationExecution(device="cuda", gpus=1, cpus=8, memory_gb=64, hours=8)


def hours(limits: dict[str, float], attempt: int) -> float:
    runtime = asked_resources(SMALL, ClusterFacts(slurm_partition="cpu"), limits)["runtime"]
    assert callable(runtime)
    return runtime(None, attempt=attempt) / 60


def test_no_limit_is_rounded_to_nothing() -> None:
    """To Slurm a time of 0 is no limit, and a memory of 0 all of a node's."""
    asked = asked_resources(Resources(cpus=1, memory_gb=0.0004, hours=0.005), ClusterFacts(), {})
    assert callable(asked["runtime"])
    assert (asked["mem_mb"], asked["runtime"](None, attempt=1)) == (1, 1)


def test_a_profile_without_facts_has_none() -> None:
    assert cluster_facts({"tmpdir": "system_tmpdir"}) == ClusterFacts()


def test_facts_are_read_whether_quoted_or_not() -> None:
    found = cluster_facts(
        {
            "slurm_partition": "cpu",
            "gpu_partition": "'a100'",
            "gpu_type": "a100",
            "longest_hours": "36",
            "local_disk_is_shared": "True",
        }
    )
    assert found == ClusterFacts("cpu", "a100", "a100", 36.0, True)
    others = {"slurm_account": "'project'", "qos": "'long'", "constraint": "'sxm4'", "slurm_extra": "''"}
    assert cluster_facts({**others, "mem_mb": "100", "runtime": "5"}) == ClusterFacts()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("local_disk_is_shared", "perhaps", "must be true or false, got 'perhaps'"),
        ("longest_hours", "2-00", "must be a number of hours, got '2-00'"),
        ("gpu_type", "nvidia_a100-sxm4", "choose the nodes by `constraint` instead"),
        ("gpu_typ", "a100", "unknown; did you mean gpu_type?"),
        ("slurm_acount", "'project'", "unknown; did you mean slurm_account?"),
        ("constraints", "'sxm4'", "unknown; did you mean constraint?"),
        ("local_disk_is_share", "true", "did you mean local_disk_is_shared?"),
    ],
)
def test_facts_that_make_no_sense(name: str, value: str, says: str) -> None:
    with pytest.raises(UserError) as refused:
        cluster_facts({name: value})
    assert f"default-resources.{name}: " in str(refused.value)
    assert says in str(refused.value)


def test_only_jobs_with_a_gpu_go_to_its_partition() -> None:
    facts = ClusterFacts(gpu_partition="a100", gpu_type="sxm4")
    assert "slurm_partition" not in asked_resources(SMALL, facts, {})
    asked = asked_resources(ON_GPU, facts, {})
    assert (asked["slurm_partition"], asked["gpu"], asked["gpu_model"]) == ("a100", 1, "sxm4")
    assert (asked["cpus_per_task"], asked["mem_mb"]) == (8, 64_000)


@pytest.mark.parametrize(
    ("gpus", "nodes", "expected"),
    [
        (8, 1, {"gpu": 8, "nodes": 1, "tasks_per_node": 8, "cpus_per_task": 4}),
        (8, 2, {"gpu": 16, "nodes": 2, "tasks_per_node": 8, "cpus_per_task": 4, "gres": "gpu:h100:8"}),
        (
            1,
            2,
            {"gpu": 2, "nodes": 2, "tasks": 2, "tasks_per_gpu": 0, "cpus_per_task": 32, "gres": "gpu:h100:1"},
        ),
    ],
)
def test_a_training_on_several_gpus(gpus: int, nodes: int, expected: dict[str, int | str]) -> None:
    training = execution(gpus=gpus, nodes=nodes, cpus=32, memory_gb=64)
    asked = asked_resources(training, ClusterFacts(gpu_type="h100"), {})
    del asked["runtime"]
    assert asked == {**expected, "mpi": "srun", "mem_mb": 64_000, "gpu_model": "h100"}


@pytest.mark.parametrize(
    ("stage", "change", "says"),
    [
        (
            "pretrain",
            {"gpus": 2},
            "pretrain: takes one GPU, got 2 on each of 1 nodes; set gpus",
        ),
        (
            "train",
            {"device": "cpu", "gpus": 0, "nodes": 2},
            "gpus: must be at least 1 when nodes is 2, got 0",
        ),
    ],
)
def test_several_gpus_that_cannot_be(stage: str, change: dict[str, int | str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        load_study([REPOSITORY / "config.yaml"], {"execution": {stage: change}})


def test_time_grows_with_each_attempt_up_to_the_partitions_limit() -> None:
    limits = {"cpu": 48 * 60.0, "gpu": 60.0}
    assert [hours(limits, attempt) for attempt in (1, 2, 3, 4)] == [20, 40, 48, 48]
    assert hours({}, 3) == 60


def test_time_grows_to_the_smallest_limit_of_all_that_hold() -> None:
    limits = {"": 40 * 60.0, "main": 50 * 60.0, "short": 30 * 60.0}

    def tried_often(facts: ClusterFacts) -> float:
        runtime = asked_resources(ON_GPU, facts, limits)["runtime"]
        assert callable(runtime)
        return runtime(None, attempt=10) / 60

    assert tried_often(ClusterFacts()) == 40  # the default partition's
    assert tried_often(ClusterFacts(slurm_partition="main")) == 50  # of jobs with a GPU, too
    assert tried_often(ClusterFacts("main", "main,short")) == 30
    assert tried_often(ClusterFacts("main", longest_hours=20)) == 20


def test_a_config_that_asks_for_too_long_is_not_changed_silently() -> None:
    assert [hours({"cpu": 600.0}, attempt) for attempt in (1, 2)] == [20, 20]


def test_limits_may_become_known_after_the_rules_are_read() -> None:
    limits: dict[str, float] = {}
    runtime = asked_resources(SMALL, ClusterFacts(slurm_partition="cpu"), limits)["runtime"]
    assert callable(runtime)
    limits["cpu"] = 30 * 60.0
    assert runtime(None, attempt=2) == 30 * 60


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [
        ("infinite", None),
        ("2-00:00:00", 2880),
        ("1-12:30:00", 2190),
        ("1-12", 2160),
        ("12:30:00", 750),
        ("30:00", 30),
        ("0:30", 0.5),
        ("45", 45),
    ],
)
def test_time_limits_as_slurm_writes_them(limit: str, minutes: float | None) -> None:
    assert minutes_of(limit) == minutes


MOUNTS = """\
overlay / overlay rw 0 0
/dev/sda1 /home ext4 rw 0 0
server:/scratch /home/me/my\\040scratch nfs4 rw 0 0
tmpfs /memory tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "sharing"),
    [
        ("/results", ("never", "overlay")),
        ("/home/me/results", ("local disk", "ext4")),
        ("/home/me/my scratch/results", ("perhaps", "nfs4")),
        ("/memory/results", ("never", "tmpfs")),
        ("/memory-lane/results", ("never", "overlay")),
    ],
)
def test_what_kind_of_disk_a_folder_is_on(folder: str, sharing: tuple[str, str]) -> None:
    assert sharing_of(Path(folder), MOUNTS) == sharing


def test_a_link_to_scratch_space_is_followed(tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to("/home/me/my scratch")
    assert sharing_of(tmp_path / "results" / "mini", MOUNTS) == ("perhaps", "nfs4")


def test_hosts_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert unreachable([there, "http://127.0.0.1:9"]) == {"http://127.0.0.1:9": "Connection refused"}
        # What counts is whether the proxy answers.
        monkeypatch.setenv("http_proxy", there)
        assert unreachable(["http://not.a.host.invalid"]) == {}
        monkeypatch.delenv("http_proxy")
        monkeypatch.setenv("all_proxy", there)
        assert unreachable(["http://not.a.host.invalid"]) == {}
        monkeypatch.setenv("http_proxy", "http://user:p/w@proxy:3128")
        (reason,) = unreachable(["http://not.a.host.invalid"]).values()
        assert "its address or its proxy's is none" in reason


def test_a_name_server_that_does_not_answer_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internet, "_reason", lambda address: time.sleep(60))
    monkeypatch.setattr(internet, "_SECONDS", 0.2)
    started = time.monotonic()
    assert unreachable(["http://a", "http://b", "http://c"]) == dict.fromkeys(
        ["http://a", "http://b", "http://c"], "no answer"
    )
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("allocation failure: Invalid account", "Invalid account"),
        ("sbatch: error: Invalid --mem specification", "Invalid --mem specification"),
        ("sbatch: unrecognized option '--x'\nTry \"sbatch --help\"", "unrecognized option '--x'"),
        ("", "it says nothing"),
        (
            "sbatch: error: invalid partition specified: cpus\nallocation failure: Invalid partition name",
            "invalid partition specified: cpus",
        ),
        # A site's plugin has a word first.
        (
            "sbatch: Welcome.\nallocation failure: Requested nodes are busy",
            "Requested nodes are busy",
        ),
    ],
)
def test_why_slurm_refuses(said: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "said").write_text(f"{said}\n")
    sbatch = tmp_path / "sbatch"
    sbatch.write_text(f"#!/bin/sh\n/bin/cat '{tmp_path}/said' >&2\nexit 1\n")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal([]) == reason
    assert is_of_the_nodes(reason) == ("busy" in reason)


@pytest.mark.parametrize(
    ("partition", "said"), [("", "but the default partition allows 1;"), ("a", "but partition a allows 1;")]
)
def test_more_time_than_a_partition_allows(partition: str, said: str, tmp_path: Path) -> None:
    request = Request("train_grpo", partition=partition, minutes=120)
    with pytest.raises(UserError, match=said):
        check_slurm([request], tmp_path, ClusterFacts(), {partition: 60.0})
