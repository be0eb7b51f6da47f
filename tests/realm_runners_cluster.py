"""A real Slurm of one node for the runners' tests: munged, slurmctld and slurmd of our own, on free ports."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from helpers import environment, free_port, wait_for

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
CONF = """ClusterName=realm
SlurmctldHost=localhost
SlurmctldPort={control}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={socket}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=1000
ReturnToService=2
KillWait=5
MinJobAge=60
NodeName=realmnode NodeHostname={host} NodeAddr=127.0.0.1 Port={node} CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=realmnode Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:16
PartitionName=short Nodes=realmnode MaxTime=5 State=UP OverSubscribe=FORCE:16
PartitionName=closed Nodes=realmnode State=DOWN
"""


def missing() -> list[str]:
    """Programs of Slurm that this machine lacks."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


class Cluster:
    """One node that takes jobs from whoever has its configuration."""

    def __init__(self) -> None:
        self._place = tempfile.TemporaryDirectory(prefix="rs")  # a socket's path is short
        self.folder = Path(self._place.name)
        self.folder.chmod(0o755)
        for name in ("state", "spool", "munge"):
            (self.folder / name).mkdir(mode=0o755)
        self.conf = self.folder / "slurm.conf"
        self._running: list[subprocess.Popen[bytes]] = []
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self._write()
        self.start()

    def _write(self) -> None:
        host = os.uname().nodename
        text = CONF.format(
            control=free_port(), node=free_port(), user=getpass.getuser(), folder=self.folder, host=host,
            socket=self.folder / "munge" / "s", cpus=os.cpu_count(),
        )  # fmt: skip
        self.conf.write_text(text)

    def start(self) -> None:
        """Start its programs, and wait until the node takes jobs."""
        munge = self.folder / "munge"
        self._spawn(
            "munged", "-F", "-f", "--key-file", munge / "key", "--socket", munge / "s", "--pid-file", munge / "pid",
            "--log-file", munge / "log", "--seed-file", munge / "seed", "--num-threads", "2",
        )  # fmt: skip
        wait_for((munge / "s").exists, "munged")
        self._spawn("slurmctld", "-D", "-f", self.conf)
        self._spawn("slurmd", "-D", "-f", self.conf, "-N", "realmnode")
        wait_for(self._is_idle, f"the node of {self.folder}")

    def _spawn(self, name: str, *words: object) -> None:
        program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        with (self.folder / f"{name}.txt").open("ab") as said:
            self._running.append(
                subprocess.Popen(
                    [str(program), *map(str, words)],
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    env=self.environment(),
                    start_new_session=True,
                )
            )

    def _is_idle(self) -> bool:
        assert all(one.poll() is None for one in self._running), self.words()
        done = self.call("sinfo", "-h", "-p", "main", "-o", "%T")
        return done.stdout.strip() in ("idle", "mixed", "allocated")

    def words(self) -> str:
        """What its programs said."""
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.[tl][xo][tg]"))

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one of Slurm's programs."""
        return subprocess.run(words, env=self.environment(), capture_output=True, text=True, check=False)

    def environment(self) -> dict[str, str]:
        """In which Slurm's programs reach it."""
        return {**environment(), "SLURM_CONF": str(self.conf)}

    def close(self) -> None:
        """End its jobs, then its programs."""
        self.call("scancel", "--user", getpass.getuser())
        wait_for(lambda: not self.call("squeue", "-h").stdout.strip(), "the end of all jobs")
        for one in reversed(self._running):
            one.terminate()
        for one in self._running:
            try:
                one.wait(timeout=10)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
        for pid in self._left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._place.cleanup()

    def _left(self) -> list[int]:
        """Processes that know this cluster, and are not the tests themselves."""
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if f"SLURM_CONF={self.conf}".encode() in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
        return [pid for pid in found if pid != os.getpid()]
