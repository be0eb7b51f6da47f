"""The weaver: one process in a realm that keeps services alive. It sleeps until a process ends, a probe is due, a signal or
an answer comes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from realm_cli import belonging, events, services, store
from realm_cli.errors import RealmError, StorageError
from realm_cli.process import this_process
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.service_config import ServiceConfig
from realm_cli.service_records import Ending, WeaverRecord
from realm_weaver import logs, processes, requests
from realm_weaver.keeping import Keeping
from realm_weaver.plan import Plan, forgotten, plan, with_needs
from realm_weaver.probes import Answer, ask_beside
from realm_weaver.processes import Held

if TYPE_CHECKING:
    from realm_cli.manager import Manager

log = logging.getLogger("realm.weaver")
SAVE_SECONDS = 1.0
"""After so long what a full disk refused is written again."""


class Weaver:
    """Keeps the services of a realm. `run` returns when nothing is left to keep, or after SIGTERM."""

    def __init__(self, realm: Realm, manager: Manager, *, beside: bool = False) -> None:
        self.realm = realm
        self._manager = manager
        self._beside = beside
        self._plan: Plan = {}
        self._kept: dict[str, Keeping] = {}
        self._wanted: set[str] = set()
        self._selector = selectors.DefaultSelector()
        self._answers: deque[tuple[Keeping, int, Answer]] = deque()
        self._woken, self._waker = socket.socketpair()
        self._leaving = self._look_again = False
        self._record = WeaverRecord(process=this_process(), started_at=now(), beside=beside)
        self._logs_due = self._logs_seen_at = self._save_due = 0.0
        self._disk_refuses = False
        self._forgotten: set[str] = set()
        """Services that run and stand in no settings any more; they are stopped."""
        self._log_sizes: dict[str, int] = {}

    def run(self) -> None:
        """Keep services. Raises `LockedError` where another weaver runs, and what is wrong in the settings."""
        # Held to the very end: the next weaver begins when this one has let go of everything.
        with store.locked(requests.lock_path(self.realm), wait=False, owner="another weaver"), self._listening():
            self._plan = plan(self.realm, self._manager)
            store.make_folders([services.state_path(self.realm, "any").parent])
            self._weave()
            self._look(first=True)
            log.info("the weaver runs, pid %d", os.getpid())
            while not self._is_over():
                self._turn()
            log.info("the weaver ends")

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Signals and answers wake the loop; with `beside`, the end of standard input does."""
        for wire in (self._woken, self._waker):
            wire.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        if self._beside:
            self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._leave)
        signal.signal(requests.WAKE, self._wake)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal goes, the services stay
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            self._selector.close()
            self._woken.close()
            self._waker.close()

    def _leave(self, *_: object) -> None:
        self._leaving = True

    def _wake(self, *_: object) -> None:
        self._look_again = True

    # -- what is kept ------------------------------------------------------------------------------------------------

    def _weave(self) -> None:
        """Everything as an earlier weaver left it: its processes are taken over, not started again."""
        at = time.monotonic()
        for name, spec in self._plan.items():
            record = services.noted(self.realm, name)
            self._kept[name] = Keeping(self, spec, record)
        for name, state in services.seen(self.realm).items():
            if name not in self._kept and state.process is not None and state.state != "foreign":
                self._plan = {**self._plan, name: forgotten(self.realm, name)}
                self._kept[name] = Keeping(self, self._plan[name], state)
                self._forgotten.add(name)
        lines = {}
        for name, keeping in self._kept.items():
            mark = keeping.record.process
            was_ours = mark is not None and keeping.was_ours
            if not (was_ours and mark is not None and keeping.adopt(mark, at)):
                lines[name] = keeping.spec.line
                if was_ours:
                    keeping.lost()
                else:
                    keeping.forget_process()
        for name, mark in processes.strays(self.realm, lines).items():
            self._kept[name].adopt(mark, at)

    def _look(self, *, first: bool = False) -> None:
        """Read what is wanted, and the settings again; a mistake in them leaves those that were."""
        request = requests.read(self.realm)
        problem = ""
        if not first:
            try:
                self._change_plan(plan(Realm(self.realm.root), self._manager))
            except RealmError as error:
                problem = error.message
                log.error("%s; the settings stay as they were", problem)
        self._wanted = set(request.services)
        if request.retry and request.request != self._record.request:
            for name in request.services:
                if name in self._kept:
                    self._kept[name].try_now()
        self._note(request=request.request, problem=problem)

    def _change_plan(self, new: Plan) -> None:
        """Services as the settings say now; one that runs gets what concerns its next start then."""
        for name, spec in new.items():
            if name in self._kept:
                self._kept[name].change(spec)
            else:
                record = services.noted(self.realm, name)
                self._kept[name] = Keeping(self, spec, record)
        gone = {name: spec for name, spec in self._plan.items() if name not in new and not self._kept[name].is_idle}
        self._plan = {**new, **gone}
        self._kept = {name: self._kept[name] for name in self._plan}
        self._forgotten = set(gone)

    def _note(self, **changes: object) -> None:
        """Say how the weaver itself is."""
        import msgspec

        self._record = msgspec.structs.replace(self._record, **changes)
        self._save_states()
        with self._disk_may_refuse():
            belonging.write(self.realm, services.weaver_folder(self.realm) / "weaver.json", self._record)

    @contextlib.contextmanager
    def _disk_may_refuse(self) -> Iterator[None]:
        """A full disk takes notes from the weaver, not services from people."""
        try:
            yield
        except StorageError as error:
            log.warning("%s", error.message)
            self._disk_refuses = True

    # -- the loop ----------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Do what is due, then sleep until something comes."""
        if self._look_again:
            self._look_again = False
            self._look()
        at = time.monotonic()
        self._want()
        for keeping in self._kept.values():
            keeping.step(at, self._waits_for(keeping), self._may_stop(keeping))
        self._bound_logs(at)
        self._save_states()
        for key, _ in self._selector.select(self._sleep()):
            self._happened(key)
        while self._answers:
            keeping, question, answer = self._answers.popleft()
            keeping.answered(question, answer, time.monotonic())

    def _want(self) -> None:
        """Tell every service whether it should run."""
        asked = with_needs(self._plan, self._wanted & set(self._plan) - self._forgotten)
        wanted = [] if self._leaving else [*asked, *self._beside_play()]
        for name, keeping in self._kept.items():
            keeping.wanted = name in wanted

    def _beside_play(self) -> list[str]:
        playing = [name for name, spec in self._plan.items() if spec.in_play and spec.enabled] if self._beside else []
        return with_needs(self._plan, playing)

    def _waits_for(self, keeping: Keeping) -> str:
        return ", ".join(name for name in keeping.spec.needs if name in self._kept and not self._kept[name].is_ready)

    def _may_stop(self, keeping: Keeping) -> bool:
        """Whether nothing runs any more that needs it."""
        name = keeping.spec.name
        return not any(name in other.spec.needs and other.held is not None for other in self._kept.values())

    def _sleep(self) -> float | None:
        """Seconds until something is due; None = until something happens."""
        if self._look_again or self._has_nothing_left():
            return 0.0
        times = [time_ for keeping in self._kept.values() if (time_ := keeping.due()) is not None]
        if any(keeping.held for keeping in self._kept.values()):
            times.append(self._logs_due)
        if any(keeping.dirty for keeping in self._kept.values()):
            times.append(time.monotonic() + SAVE_SECONDS)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _happened(self, key: selectors.SelectorKey) -> None:
        if isinstance(key.data, Keeping):
            key.data.over(time.monotonic())
        elif key.fileobj is self._woken:
            with contextlib.suppress(BlockingIOError):
                self._woken.recv(4096)
        elif not os.read(sys.stdin.fileno(), 4096):
            self._selector.unregister(sys.stdin.fileno())
            self._beside = False

    def _is_over(self) -> bool:
        """Whether nothing is left to keep. A wish that comes meanwhile is seen, or finds no weaver and starts one."""
        self._want()
        if self._record.beside and not self._beside and self._settled():
            self._note(beside=False)
        if self._look_again or not self._has_nothing_left():
            return False
        with requests.deciding(self.realm):
            if not self._leaving and requests.read(self.realm).request != self._record.request:
                self._look_again = True
                return False
            self._save_states()
            with self._disk_may_refuse():
                store.delete(services.weaver_folder(self.realm) / "weaver.json")
        return True

    def _has_nothing_left(self) -> bool:
        """Whether nothing runs, nothing should, and nobody plays."""
        idle = all(keeping.is_idle for keeping in self._kept.values())
        return idle and (self._leaving or not self._beside)

    def _settled(self) -> bool:
        """Whether all that was kept for a play alone has ended."""
        return all(keeping.wanted or keeping.held is None for keeping in self._kept.values())

    # -- logs and notes ----------------------------------------------------------------------------------------------

    def _bound_logs(self, at: float) -> None:
        """Set aside the logs that are full. One that grows fast is looked at again before it can grow much more."""
        if at < self._logs_due:
            return
        soonest = logs.LOOK_SECONDS
        for name, limit, keep in self._logs():
            path = services.log_path(self.realm, name)
            size = logs.size_of(path)
            growth = size - self._log_sizes.get(name, size)
            if size > limit:
                with contextlib.suppress(OSError):
                    logs.rotate(path, limit, keep)
                size = 0
            soonest = min(soonest, logs.next_look(limit, growth, at - self._logs_seen_at))
            self._log_sizes[name] = size
        self._logs_seen_at, self._logs_due = at, at + soonest

    def _logs(self) -> Iterator[tuple[str, int, int]]:
        """(name, most bytes, earlier ones that stay) of each service's log, and of the weaver's own."""
        usual = ServiceConfig()
        yield logs.OWN, int(usual.log_mb * logs.MEGABYTE), usual.log_keep
        for name, keeping in self._kept.items():
            yield name, keeping.spec.log_bytes, keeping.spec.log_keep

    def _save_states(self) -> None:
        at = time.monotonic()
        if at >= self._save_due:
            refused = [why for keeping in self._kept.values() if (why := keeping.save())]
            if refused and not self._disk_refuses:  # told once, not every second
                log.warning("%s; it is written when that is over", refused[0])
            self._disk_refuses = bool(refused)
            self._save_due = at + SAVE_SECONDS if refused else 0.0

    # -- the face for kept services (`keeping.Loom`) -----------------------------------------------------------------

    def watch(self, held: Held, keeping: Keeping) -> None:
        """Hear of a process's end."""
        self._selector.register(held.descriptor, selectors.EVENT_READ, keeping)

    def unwatch(self, held: Held) -> None:
        """Hear of it no more."""
        self._selector.unregister(held.descriptor)

    def ask(self, keeping: Keeping, question: int, url: str, seconds: float) -> None:
        """Ask beside the loop."""

        def tell(answer: Answer) -> None:
            self._answers.append((keeping, question, answer))
            with contextlib.suppress(OSError):  # full: the loop is awake anyway; closed: nobody wants to know
                self._waker.send(b"\0")

        ask_beside(url, seconds, tell)

    def crashed(self, keeping: Keeping, ending: Ending) -> None:
        """A service that was well has ended."""
        log.warning("%s: %s", keeping.spec.name, ending.why)
        with self._disk_may_refuse():
            events.emit(self.realm, self._manager, "service_crashed", service=keeping.spec.name, reason=ending.why)

    def flapping(self, keeping: Keeping, ending: Ending) -> None:
        """It ends again and again."""
        with self._disk_may_refuse():
            events.emit(
                self.realm, self._manager, "service_flapping", service=keeping.spec.name,
                count=keeping.record.failures, reason=ending.last_words or ending.why,
            )  # fmt: skip

    def recovered(self, keeping: Keeping) -> None:
        """It is well again."""
        with self._disk_may_refuse():
            events.emit(self.realm, self._manager, "service_recovered", service=keeping.spec.name)
