"""The program: `VERB ROOT ID [MORE]`."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from realm_runners.supervisor import desk, work

NOT_FOUND = 4


def answer(verb: str, root: str, job: str, more: str) -> int:
    """Do what a caller on another machine asks, and print the answer."""
    if verb == "logs":
        said = desk.logs(root, job, int(more))
        if said is None:
            return NOT_FOUND
        sys.stdout.buffer.write(b"%d\n" % said[0] + said[1])
        return 0
    if verb == "submit":
        found: Any = desk.submit(root, job, json.load(sys.stdin))
        desk.tidy(root, int(more))
    else:
        found = desk.cancel(root, job) if verb == "cancel" else desk.poll(root, job)
    if found is None:
        return NOT_FOUND
    json.dump(found, sys.stdout)
    return 0


def guarded(root: str, job: str) -> int:
    """Supervise in a child, and bury the job when that is killed: a cluster's node has nobody else who would."""
    child = os.fork()
    if child == 0:
        return work.supervise(os.path.join(root, job))
    work.adopt()
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    _, how = os.waitpid(child, 0)
    if os.WIFSIGNALED(how) and os.path.exists(os.path.join(root, job, "state.json")):
        desk.poll(root, job)
    return 1 if how else 0


def main(words: list[str]) -> int:
    """`VERB ROOT ID [MORE]`."""
    verb, root, job = words[:3]
    if verb == "detach":
        return work.detach(os.path.join(root, job))
    if verb == "supervise":
        return guarded(root, job)
    return answer(verb, root, job, words[3] if len(words) > 3 else "0")
