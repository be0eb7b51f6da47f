"""Slurm's programs: what they are asked and what they answer."""

from __future__ import annotations

import hashlib
import subprocess
from typing import NamedTuple

from realm_cli.errors import AwayError, RealmError
from realm_cli.process import user_name
from realm_cli.realm import Realm

SECONDS = 60.0
WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD")
RUNNING = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING")
LIMITED = ("TIMEOUT", "OUT_OF_MEMORY", "PREEMPTED", "DEADLINE")
AWAY = ("unable to contact slurm controller", "communication", "timed out", "connection refused", "zero bytes")


class Seen(NamedTuple):
    """What Slurm knows of a job."""

    state: str
    reason: str

    @property
    def waits(self) -> bool:
        """It has no node yet."""
        return self.state in WAITING

    @property
    def runs(self) -> bool:
        """A node has it."""
        return self.state in RUNNING

    @property
    def was_limited(self) -> bool:
        """Slurm itself ended it, and says why."""
        return self.state in LIMITED


def name_of(realm: Realm, job: str) -> str:
    """What Slurm calls a job: two realms may have the same id."""
    return f"realm-{hashlib.sha256(str(realm.root).encode()).hexdigest()[:8]}-{job}"


def _call(*line: str) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(
            line,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except FileNotFoundError:
        hint = "run it where Slurm's programs are, or use local or ssh:HOST"
        raise RealmError(f"this machine belongs to no Slurm cluster: {line[0]} is not installed", hint) from None
    except subprocess.TimeoutExpired:
        raise AwayError(f"Slurm does not answer: {line[0]} took over {SECONDS:g} s", "try again later") from None
    if done.returncode and any(word in done.stderr.lower() for word in AWAY):
        raise AwayError(f"Slurm's controller is away: {_last(done.stderr)}", "try again later; see: scontrol ping")
    return done


def _last(words: str) -> str:
    lines = words.strip().splitlines()
    return lines[-1][:200] if lines else "it says nothing"


def sbatch(*words: str) -> str:
    """Submit a script; its number."""
    done = _call("sbatch", "--parsable", *words)
    if done.returncode:
        raise RealmError(f"Slurm does not take the job: {_last(done.stderr)}", "see: sinfo")
    return done.stdout.strip().partition(";")[0]


def number_of(name: str) -> str | None:
    """The number of the job of that name; None when Slurm knows none."""
    done = _call("squeue", "--noheader", "--states=all", "--user", user_name(), "--name", name, "--format", "%i")
    if done.returncode:
        raise RealmError(f"squeue failed: {_last(done.stderr)}", "see: scontrol ping")
    numbers = done.stdout.split()
    return numbers[0] if numbers else None


def look(number: str) -> Seen | None:
    """How a job stands, also some time after its end; None when Slurm has forgotten it."""
    done = _call("squeue", "--noheader", "--states=all", "--jobs", number, "--format", "%T|%r")
    line = done.stdout.strip().splitlines()
    if done.returncode == 0 and line:
        state, _, reason = line[0].partition("|")
        return Seen(state, reason)
    return _accounted(number)


def _accounted(number: str) -> Seen | None:
    """What the cluster's accounting says, where it has one."""
    done = _call("sacct", "--noheader", "--allocations", "--parsable2", "--jobs", number, "--format", "State,Reason")
    line = done.stdout.strip().splitlines()
    if done.returncode or not line:
        return None
    state, _, reason = line[-1].partition("|")
    return Seen(state.partition(" ")[0], reason)


def scancel(number: str) -> None:
    """Take a job back; one that has ended is left as it is."""
    _call("scancel", number)
