"""A battle as a job of a cluster: the same command, in the same realm, whose folder all nodes see.

It is one process, so it needs no `torchrun`; a runner starts it under `srun`. Flags work as they do here.
"""

from __future__ import annotations

import secrets
import time

from realm_cli import verbs
from realm_cli.errors import UsageError
from realm_cli.jobs import Job, JobStatus, open_runner
from realm_cli.manager import Manager
from realm_cli.realm import Realm

GRACE_SECONDS = 900.0
"""Saving a large model on a slow disk may take so long."""


def submit(realm: Realm, manager: Manager, place: str, gpus: int, words: list[str]) -> JobStatus:
    """Give `realm battle start WORDS` to a cluster."""
    if place.partition(":")[0] != "slurm":
        hint = "slurm or slurm:PARTITION; on another machine start it in the realm there"
        raise UsageError(f"a battle cannot be started on '{place[:100]}' from here", hint)
    name = f"battle-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
    command = tuple(verbs.line_of(realm, "battle", "start", *words))
    job = Job(id=name, command=command, name="battle", folder=str(realm.root), grace=GRACE_SECONDS, gpus=gpus)
    return open_runner(realm, manager, place).submit(job)
