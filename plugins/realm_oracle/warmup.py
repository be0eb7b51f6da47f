"""The champion is kept loaded where inference happens: when it was crowned, and when machines are idle."""

from __future__ import annotations

import subprocess
import threading

from realm_cli import champions, inference, services, verbs
from realm_cli.errors import NotFoundError
from realm_cli.manager import Manager
from realm_cli.oracleclient import find_oracle
from realm_cli.realm import Realm
from realm_cli.tasks import Task

ID = "model_warmup"


def why_not(realm: Realm) -> str:
    """Why no champion can be loaded now; empty when one can."""
    if champions.read(realm, realm.config.hero) is None:
        return f"{realm.config.hero} has no champion"
    if inference.host_of(realm) is None and services.running(realm, "oracle") is None:
        return "no Oracle runs here, and no other machine answers for this realm"
    return ""


def warm(realm: Realm, manager: Manager) -> str:
    """Load the champion on the inference host, else in the Oracle that runs here."""
    from realm_oracle.remote import bring

    champion = champions.read(realm, realm.config.hero)
    if champion is None:
        raise NotFoundError(why_not(realm), "play crowns one at a level-up, or: realm champion promote")
    host = inference.host_of(realm)
    client = find_oracle(realm, host)
    if host is not None:
        model = bring(realm, host, client, champion.hero, champion.step)
    else:
        model = client.load(champion.step, hero=champion.hero, sha256=champion.weights_sha256)
    return f"{model.model} is loaded on {host or 'this machine'}"


def start(realm: Realm) -> None:
    """Load a new champion in a process of its own: whoever crowned it does not wait, and ends when it likes.

    It is no run of the task master: the task that crowned it may have the GPU.
    """
    if why_not(realm):
        return
    process = subprocess.Popen(
        verbs.line_of(realm, "task", "exec", ID), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    threading.Thread(target=process.wait, name="warm-up", daemon=True).start()


TASK = Task(
    id=ID, title="Load the champion where inference happens", priority=2, gpu="inference", estimate_s=30,
    cooldown_s=7200, run=warm, idle=why_not,
)  # fmt: skip
