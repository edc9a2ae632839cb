"""A real Slurm cluster on this machine, in one folder: three virtual nodes, two of them with 8 GPUs.

cpu1 is in the partition cpu, gpu1 and gpu2 in gpu and gpuhi; jobs of gpuhi requeue those of gpu. The
partition far has a node on another machine, which does not answer. The GPUs are files: Slurm counts them and
sets CUDA_VISIBLE_DEVICES, but nothing computes on them. Only the loopback interface is used, and no
database, systemd or cgroups.

For manual tests: `python tests/slurm_cluster.py snakemake --profile slurm …`.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from getpass import getuser
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo", "scontrol")
PACKAGES = "slurmctld slurmd slurm-client munge"
NODES = {"cpu1": 10, "gpu1": 11, "gpu2": 12}  # node -> its port, as an offset from the cluster's first port
GPUS_PER_NODE = 8
_SYSTEM_PROGRAMS = ("/usr/sbin", "/sbin")  # not on every user's PATH
_PORTS = 1000
_STARTED_FOR = "SLURM_TEST_STARTED_FOR"  # distinguishes the daemons (and their children) of different nodes
# These only end what hangs: on a busy machine a second's work takes many.
_UP_SECONDS = 120.0
_END_SECONDS = 20.0
_CLIENT_SECONDS = 60.0


def missing_programs() -> list[str]:
    """The programs of Slurm that are not installed here."""
    return [name for name in PROGRAMS if shutil.which(name, path=_search_path()) is None]


class SlurmCluster:
    """A cluster that runs from `start` to `stop`, both called by `running_cluster`."""

    def __init__(self, folder: Path) -> None:
        """folder: an empty folder for everything that the cluster writes."""
        self.folder = folder
        self._first_port, self._held_port = _free_ports()
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        # The environment of a user's shell on this cluster, besides HOME.
        self.environment = {
            "PATH": os.pathsep.join([str(folder / "bin"), _search_path()]),
            "SLURM_CONF": str(folder / "slurm.conf"),
        }

    def start(self) -> None:
        """Write the configuration, start all daemons, and wait until every node is idle."""
        self._write_files()
        options = {"socket": "munge.sock", "pid-file": "munged.pid", "log-file": "munged.log"}
        options |= {"key-file": "munge.key", "seed-file": "munge.seed"}
        # --force: a temporary folder may be below one that others can write to.
        self._start(
            "munged", "--foreground", "--force", *(f"--{k}={self.folder / v}" for k, v in options.items())
        )
        self._wait_for(lambda: (self.folder / "munge.sock").exists(), "munged")
        self._start("slurmctld", "-D", "-f", self.environment["SLURM_CONF"])
        for node in NODES:
            self.start_node(node)
        self._wait_for(lambda: all(self.node_states().get(node) == "idle" for node in NODES), "the nodes")

    def stop(self) -> None:
        """Cancel all jobs and end every process that the cluster started."""
        with contextlib.suppress(subprocess.SubprocessError):
            self.cancel_all()
        for name in ("slurmctld", *NODES, "munged"):
            self._end(name, signal.SIGTERM)
        # Until they are gone: who is killed is there for another moment, on a busy machine for longer.
        deadline = time.monotonic() + _END_SECONDS
        while (left := self.own_processes()) and time.monotonic() < deadline:
            for process in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.02)
        self._held_port.close()

    def cancel_all(self) -> None:
        """Cancel all jobs, and wait some time for them to end."""
        self.run("scancel", "--user", getuser())
        deadline = time.monotonic() + _END_SECONDS
        while self.jobs() and time.monotonic() < deadline:
            time.sleep(0.2)

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self._start("slurmd", "-D", "-N", node, "-f", self.environment["SLURM_CONF"], name=node)

    def kill_node(self, node: str) -> None:
        """Kill a node's daemon and all that runs on the node, as a power loss would."""
        self.kill_daemon(node)
        # First the processes that supervise jobs, so that they do not report the jobs' end.
        for variable in (_STARTED_FOR, "SLURMD_NODENAME"):
            for process in self.own_processes():
                if variable_of(process, variable) == node:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)

    def kill_daemon(self, node: str) -> None:
        """Kill only a node's daemon: Slurm considers the node dead, but its jobs continue."""
        self._end(node, signal.SIGKILL)

    def run(self, *command: str, check: bool = True) -> str:
        """The output of a Slurm command, as for a user of this cluster."""
        return subprocess.run(
            command,
            env={"HOME": os.environ.get("HOME", "/"), **self.environment},
            capture_output=True,
            text=True,
            timeout=_CLIENT_SECONDS,
            check=check,
        ).stdout.strip()

    def node_states(self) -> dict[str, str]:
        """Node -> its state as named by Slurm, e.g. idle, mixed, down*; empty while Slurm does not answer."""
        lines = self.run("sinfo", "--noheader", "--Node", "--format=%N %T", check=False).splitlines()
        return dict(line.split() for line in lines)

    def jobs(self, states: str = "PENDING,RUNNING,COMPLETING,SUSPENDED") -> list[dict[str, str]]:
        """Jobs in these states; the comment is rule and wildcards, gpus the requested ones."""
        names = ("id", "state", "partition", "node", "comment", "gpus")
        # %b alone does not show --gpus; tres-per-job does.
        fields = "JobID:20,State:20,Partition:20,NodeList:20,Comment:250,tres-per-job:20"
        lines = self.run("squeue", "--noheader", f"--states={states}", f"--Format={fields}")
        widths = [int(field.rpartition(":")[2]) for field in fields.split(",")]
        starts = [sum(widths[:column]) for column in range(len(widths))]
        return [
            {n: line[s : s + w].strip() for n, s, w in zip(names, starts, widths, strict=True)}
            for line in lines.splitlines()
        ]

    def _write_files(self) -> None:
        for name in ("spool", "state", "dev", "bin"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(random.randbytes(128))
        key.chmod(0o600)
        for number in range(GPUS_PER_NODE):
            # Character devices: for other files Slurm does not set CUDA_VISIBLE_DEVICES.
            (self.folder / "dev" / f"gpu{number}").symlink_to("/dev/null")
        (self.folder / "slurm.conf").write_text(self._configuration())
        # Slurm 22 and later look for cgroups at their start, and need systemd for version 2.
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        (self.folder / "gres.conf").write_text(
            f"NodeName=gpu[1-2] Name=gpu File={self.folder}/dev/gpu[0-{GPUS_PER_NODE - 1}]\n"
        )
        # Snakemake's job step drops all SLURM_ variables, also the path of this cluster's configuration.
        wrapper = self.folder / "bin" / "srun"
        srun = shutil.which("srun", path=_search_path())
        wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={self.environment["SLURM_CONF"]} exec {srun} "$@"\n')
        wrapper.chmod(0o755)

    def _configuration(self) -> str:
        host, port, folder = socket.gethostname().partition(".")[0], self._first_port, self.folder
        sizes = {"cpu1": "CPUs=8 RealMemory=8000"}
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port + offset} "
            + sizes.get(node, f"CPUs=16 RealMemory=16000 Gres=gpu:{GPUS_PER_NODE}")
            for node, offset in NODES.items()
        )
        return f"""ClusterName=box
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={getuser()}
SlurmdUser={getuser()}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=15
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SrunPortRange={port + 100}-{port + _PORTS - 2}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
JobAcctGatherParams=OverMemoryKill
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=5,bf_interval=5,batch_sched_delay=0
GresTypes=gpu
DefMemPerCPU=500
ReturnToService=2
SlurmdTimeout=10
KillWait=5
MinJobAge=3600
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
{nodes}
NodeName=far1 NodeHostname=far1 NodeAddr=127.0.0.1 Port={port + 13} CPUs=8 RealMemory=8000
PartitionName=cpu Nodes=cpu1 Default=YES MaxTime=1-00:00:00 State=UP
PartitionName=gpu Nodes=gpu[1-2] PriorityTier=1 MaxTime=2-00:00:00 State=UP
PartitionName=gpuhi Nodes=gpu[1-2] PriorityTier=10 PreemptMode=OFF MaxTime=2-00:00:00 State=UP
PartitionName=far Nodes=far1 State=UP
"""

    def _start(self, program: str, *arguments: str, name: str | None = None) -> None:
        path = shutil.which(program, path=_search_path())
        assert path is not None
        # setpriv: if the tests are killed, the daemons end too.
        self._daemons[name or program] = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", path, *arguments],
            env={"HOME": os.environ.get("HOME", "/"), **self.environment, _STARTED_FOR: name or program},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / f"{name or program}.stderr").open("ab"),
        )

    def _end(self, name: str, number: int) -> None:
        if (daemon := self._daemons.pop(name, None)) is None:
            return
        daemon.send_signal(number)
        try:
            daemon.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def own_processes(self) -> list[int]:
        """Daemons, children that may outlive them, and jobs: all processes with this configuration."""
        conf = self.environment["SLURM_CONF"]
        numbers = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
        own = (number for number in numbers if variable_of(number, "SLURM_CONF") == conf)
        return [number for number in own if number != os.getpid()]

    def _wait_for(self, is_there: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _UP_SECONDS
        while not is_there():
            for name, daemon in self._daemons.items():
                if daemon.poll() is not None:
                    raise RuntimeError(f"{name} ended: {self._last_words(name)}")
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"{what} did not come up: {self.node_states()} {self._last_words('slurmctld')}"
                )
            time.sleep(0.1)

    def _last_words(self, name: str) -> str:
        logs = sorted(self.folder.glob(f"*{name}*.log")) + sorted(self.folder.glob(f"{name}.stderr"))
        return " ".join(path.read_text(errors="replace")[-2000:] for path in logs)


@contextlib.contextmanager
def running_cluster(folder: Path) -> Iterator[SlurmCluster]:
    """A cluster in an empty folder, which runs within the block."""
    cluster = SlurmCluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def _search_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_PROGRAMS])


def variable_of(process: int, name: str) -> str | None:
    """A variable of a process's environment at its start."""
    try:
        entries = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    found: Mapping[bytes, bytes] = dict(entry.split(b"=", 1) for entry in entries if b"=" in entry)
    value = found.get(name.encode())
    return None if value is None else value.decode(errors="replace")


def _free_ports() -> tuple[int, socket.socket]:
    """The first of a block of unused ports; those of srun are not checked.

    The socket holds the block's last port: clusters that start at the same time must not take one block.
    """
    for _ in range(50):
        first = random.randrange(20_000, 31_000, _PORTS)
        held = socket.socket()
        with contextlib.ExitStack() as stack:
            try:
                held.bind(("127.0.0.1", first + _PORTS - 1))
                for offset in (0, *NODES.values()):
                    listener = stack.enter_context(socket.socket())
                    listener.bind(("127.0.0.1", first + offset))
            except OSError:
                held.close()
                continue
        return first, held
    raise RuntimeError("no free ports between 20000 and 31000")


def main() -> int:
    """Run the command in the arguments on a new cluster, which stops when the command ends."""
    if missing := missing_programs():
        sys.exit(f"not installed: {', '.join(missing)}; Debian and Ubuntu have them in {PACKAGES}")
    with (
        tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as folder,
        running_cluster(Path(folder)) as cluster,
    ):
        environment = {**os.environ, **cluster.environment}
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
