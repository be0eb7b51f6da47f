"""The command line's side: wishes are written, a weaver is started where none runs, and the services are waited for."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable

from realm_cli import services
from realm_cli.errors import RealmError
from realm_cli.realm import Realm
from realm_cli.service_records import ServiceState, WantedRecord, WeaverRecord
from realm_weaver import logs, processes, requests

LOOK_SECONDS = 0.05
ANSWER_SECONDS = 20.0
"""A weaver that has not seen a wish after so long hangs."""
SETTLE_SECONDS = 300.0
"""Longer than any start that is worth waiting for."""
TRIES = 3
SETTLED = ("ready", "foreign", "backing off", "ended")
Tell = Callable[[ServiceState], None]


class SilentError(RealmError):
    """The weaver runs and does not answer."""


def _always() -> bool:
    return True


def seen_by_weaver(realm: Realm, request: WantedRecord, is_needed: Callable[[], bool] = _always) -> WeaverRecord | None:
    """The weaver, once it has seen the wish, or a later one, which holds this one as well; one is started where none
    runs and one is needed. Raises `SilentError`."""
    started: subprocess.Popen[bytes] | None = None
    tries = 0
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        running = services.weaver(realm)
        if running is not None and running.request in (request.request, requests.read(realm).request):
            return running
        if running is None and (started is None or started.poll() is not None):
            if not is_needed():
                return None
            if tries == TRIES:
                raise _no_start(realm)
            started, tries = start(realm), tries + 1
            deadline = time.monotonic() + ANSWER_SECONDS
        stands_still = running is not None and processes.is_stopped(running.process)
        if stands_still or time.monotonic() > deadline:
            pid = running.process.pid if running else "?"
            raise SilentError(f"the weaver (pid {pid}) does not answer", "realm weaver mend ends it and starts another")
        time.sleep(LOOK_SECONDS)


def start(realm: Realm) -> subprocess.Popen[bytes]:
    """A weaver in the background, which goes on when the terminal goes."""
    log = services.log_path(realm, logs.OWN)
    log.parent.mkdir(parents=True, exist_ok=True)
    line = [sys.executable, "-m", "realm_cli", "--realm", str(realm.root), "weaver", "daemon", "--background"]
    with open(log, "ab") as output:
        return subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=realm.root, start_new_session=True
        )


def _no_start(realm: Realm) -> RealmError:
    log = services.log_path(realm, logs.OWN)
    said = logs.last_words(log, 0)
    return RealmError(f"the weaver does not start: {said or 'it says nothing'}", f"see {log}")


def stopped_meanwhile(name: str) -> RealmError:
    """Of two who want different things the later one has it."""
    return RealmError(f"somebody stopped {name} meanwhile", f"realm weaver up {name}")


def end_hanging(realm: Realm) -> bool:
    """Kill a weaver that does not answer; its services go on, and the next weaver takes them over."""
    running = services.weaver(realm)
    held = processes.hold(running.process) if running else None
    if held is None:
        return False
    held.send(signal.SIGKILL)
    while not held.is_over:
        time.sleep(LOOK_SECONDS)
    held.reap()
    return True


def settle(realm: Realm, names: Iterable[str], tell: Tell) -> bool:
    """Wait until each service is ready or has failed, and tell each as it comes; True when all are ready."""
    waiting = list(names)
    failed: set[str] = set()
    deadline = time.monotonic() + SETTLE_SECONDS
    while waiting:
        if time.monotonic() > deadline:
            raise RealmError(
                f"{waiting[0]} is neither ready nor given up after {SETTLE_SECONDS:.0f} s",
                f"realm weaver logs {waiting[0]}",
            )
        states, wanted = services.seen(realm), requests.read(realm).services
        unwanted = [name for name in waiting if name not in wanted]
        if unwanted:
            raise stopped_meanwhile(unwanted[0])
        if services.weaver(realm) is None:
            raise _no_start(realm)
        for name in list(waiting):
            state = states.get(name)
            if state is None or not (state.state in SETTLED or _waits_in_vain(state, failed)):
                continue
            if state.state not in ("ready", "foreign"):
                failed.add(name)
            waiting.remove(name)
            tell(state)
        time.sleep(LOOK_SECONDS if waiting else 0)
    return not failed


def _waits_in_vain(state: ServiceState, failed: set[str]) -> bool:
    return state.state == "waiting" and bool(failed & set(state.needs))


def stopped(realm: Realm, names: Iterable[str], tell: Tell) -> None:
    """Wait until services have ended, and tell each; one that somebody else started goes on."""
    waiting = list(names)
    while waiting:
        is_watched = services.weaver(realm) is not None
        states, wanted = services.seen(realm), requests.read(realm).services
        for name in list(waiting):
            state = states.get(name)
            if name in wanted:
                raise RealmError(f"somebody started {name} again meanwhile", f"realm weaver down {name}")
            if not is_watched and state is not None and state.process is not None:
                raise RealmError(f"the weaver ended before {name} did", "realm weaver down")
            if state is None or state.state == "stopped":
                waiting.remove(name)
                if state is not None:
                    tell(state)
        time.sleep(LOOK_SECONDS if waiting else 0)


def gone(realm: Realm) -> None:
    """Wait until no weaver runs, or one that has got other wishes meanwhile."""
    while services.weaver(realm) is not None and not requests.read(realm).services:
        running = services.weaver(realm)
        if running is not None and running.beside:
            return
        time.sleep(LOOK_SECONDS)
