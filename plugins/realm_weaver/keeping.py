"""One service as the weaver keeps it: its states and what leads from one to the next. Waits for nothing."""

from __future__ import annotations

import contextlib
import logging
import signal
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

import msgspec

from realm_cli import belonging, services
from realm_cli.errors import StorageError
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark, now
from realm_cli.service_records import HISTORY, Ending, ServiceState, State
from realm_weaver import backoff, endings, logs, processes
from realm_weaver.foreign import holder
from realm_weaver.plan import Spec
from realm_weaver.probes import Answer
from realm_weaver.processes import Held
from realm_weaver.watching import Watch

log = logging.getLogger("realm.weaver")


class Loom(Protocol):
    """What a kept service needs of its weaver."""

    realm: Realm

    def watch(self, held: Held, keeping: Keeping) -> None:
        """Call `over` of the service when that process ends."""

    def unwatch(self, held: Held) -> None:
        """Do not, any more."""

    def ask(self, keeping: Keeping, question: int, url: str, seconds: float) -> None:
        """Ask an address, and give the answer to `answered`."""

    def crashed(self, keeping: Keeping, ending: Ending) -> None:
        """Tell that a service that was well has ended."""

    def flapping(self, keeping: Keeping, ending: Ending) -> None:
        """Tell that it ends again and again."""

    def recovered(self, keeping: Keeping) -> None:
        """Tell that it is well again."""


class Keeping:
    """A service, its process if it has one, and its history."""

    def __init__(self, loom: Loom, spec: Spec, record: ServiceState | None) -> None:
        self.spec = spec
        self.wanted = False
        self.dirty = True
        self.record = record or ServiceState(name=spec.name)
        self._loom = loom
        self._log = services.log_path(loom.realm, spec.name)
        self._said_from = 0
        self.held: Held | None = None
        self._foreign: Held | None = None
        self._watch: Watch | None = None
        self._started = self._next_try = self._kill_at = 0.0
        self._ready_at: float | None = None
        self._killed_for = ""
        self._killed_late = self._after_failure = False
        self._told_crash = self._told_flapping = False
        self._note(title=spec.title, needs=list(spec.needs), next_try_at="")

    # -- how it is ---------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.record.state

    @property
    def is_ready(self) -> bool:
        """Whether services that need it may start."""
        return self.state in ("ready", "foreign")

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to do for it."""
        return self.held is None and self._foreign is None and not self.wanted

    def due(self) -> float | None:
        """When `step` has to be called next; None = when something happens."""
        if self.held is None:
            return self._next_try if self.state == "backing off" else None
        if self.state == "stopping":
            return self._kill_at
        if not self.wanted:
            return None  # it waits for those that need it
        times = [self._watch.due] if self._watch is not None and self._watch.due is not None else []
        if self._ready_at is not None and self.record.failures:
            times.append(self._ready_at + self.spec.restart.healthy_seconds)
        return min(times, default=None)

    def _note(self, **changes: Any) -> None:
        self.record = msgspec.structs.replace(self.record, **changes)
        self.dirty = True

    def _set(self, state: State, reason: str = "") -> None:
        if state != self.record.state:
            self._note(state=state, reason=reason, since=now())
            log.info("%s: %s%s", self.spec.name, state, f" ({reason})" if reason else "")
        elif reason != self.record.reason:
            self._note(reason=reason)

    # -- what time brings --------------------------------------------------------------------------------------------

    def step(self, at: float, waits_for: str, may_stop: bool) -> None:
        """Do what is due. `waits_for` names what it needs and is not ready; `may_stop`: nothing that runs needs it."""
        if self.held is None:
            self._without_process(at, waits_for)
        elif self.state == "stopping":
            if at >= self._kill_at:
                self._kill_at = float("inf")
                self._killed_late = True
                self.held.send(signal.SIGKILL)
        elif not self.wanted:
            if may_stop:
                self._stop(at)
        else:
            self._look_after(at)

    def try_now(self) -> None:
        """A person asks: whatever waited for its next try is tried at once."""
        if self.held is None and self.state in ("backing off", "ended"):
            self._set("waiting", "it is tried again")
            self._note(failures=0, next_try_at="")

    def _without_process(self, at: float, waits_for: str) -> None:
        if self._foreign is not None:
            if not self.wanted:
                self._release()
                self._set("stopped")
            return
        if not self.wanted:
            self._set("stopped")
            self._note_if(next_try_at="")
        elif self.state == "ended" or (self.state == "backing off" and at < self._next_try) or self._is_taken():
            return
        elif waits_for:
            self._set("waiting", f"waits for {waits_for}")
        else:
            self._start(at)

    def _is_taken(self) -> bool:
        """Whether somebody else has started it, who is left alone then."""
        other = holder(self._loom.realm, self.spec)
        return other is not None and self._leave_alone(*other)

    def _note_if(self, **changes: Any) -> None:
        if any(getattr(self.record, name) != value for name, value in changes.items()):
            self._note(**changes)

    # -- somebody else's process -------------------------------------------------------------------------------------

    def _leave_alone(self, mark: ProcessMark, url: str) -> bool:
        """It runs already, and is not ours: it is shown and never touched. False when it has just ended."""
        self._foreign = processes.hold(mark)
        if self._foreign is None:
            return False
        self._loom.watch(self._foreign, self)
        self._note(url=url, process=mark, next_try_at="")
        self._set("foreign", f"pid {mark.pid} was started by somebody else and is left alone")
        return True

    def _release(self) -> None:
        if self._foreign is not None:
            self._loom.unwatch(self._foreign)
            self._foreign.reap()
            self._foreign = None
            self._note(url="", process=None)

    # -- start and stop ----------------------------------------------------------------------------------------------

    def _start(self, at: float) -> None:
        self._said_from = logs.size_of(self._log)
        self._started, self._ready_at, self._killed_for, self._killed_late = at, None, "", False
        try:
            held = processes.start(self._loom.realm, self.spec.name, self.spec.line, self._log)
        except OSError as error:
            why = f"cannot start {self.spec.line[0]}: {error.strerror or error}"
            self._failed(at, Ending(at=now(), cause="start", why=why))
            return
        restarts = self.record.restarts + (1 if self._after_failure else 0)
        self._note(process=held.mark, url="", restarts=restarts, next_try_at="", ready_after_s=None)
        self._after_failure = False
        self._take(held, at)
        self._set("starting")
        self.save()  # a weaver that is killed now finds it again

    def _take(self, held: Held, at: float) -> None:
        def ask(question: int, url: str, seconds: float) -> None:
            self._loom.ask(self, question, url, seconds)

        self.held, self._watch = held, Watch(self._loom.realm, self.spec, held, ask, at)
        self._loom.watch(held, self)

    def adopt(self, mark: ProcessMark, at: float) -> bool:
        """Go on with a process that an earlier weaver started; False when it runs no more."""
        held = processes.hold(mark)
        if held is None:
            return False
        self._started, self._killed_for, self._killed_late = at, "", False
        self._said_from = logs.size_of(self._log)
        was_ready = self.record.state == "ready"
        self._take(held, at)
        self._note(process=mark)
        self._set("starting")
        if was_ready and self._watch is not None:
            self._watch.live(at, self.record.url)
            self._heed(self._watch, at)
        log.info("%s: pid %d is taken over", self.spec.name, mark.pid)
        return True

    @property
    def was_ours(self) -> bool:
        """Whether the process that is recorded was started by a weaver."""
        return self.record.state != "foreign"

    def forget_process(self) -> None:
        """Begin without a process. One that ended for good stays ended until somebody asks for it."""
        self._note(process=None, url="", failures=0)
        if self.state != "ended":
            self._set("stopped")

    def change(self, spec: Spec) -> None:
        """Keep it by other settings; what runs is started by them the next time."""
        self.spec = spec
        self._note_if(title=spec.title, needs=list(spec.needs))

    def lost(self) -> None:
        """Its process ended while no weaver ran."""
        self._remember(Ending(at=now(), cause="lost", why="it ended while no weaver ran"))
        self._note(process=None, url="", failures=0)
        self._after_failure = True
        self._set("stopped")

    def _stop(self, at: float) -> None:
        assert self.held is not None
        self._set("stopping", endings.COMMANDED)
        self._kill_at = at + self.spec.stop_seconds
        self.held.send(signal.SIGTERM)
        self.held.send(signal.SIGCONT)  # one that was made to stand still could not hear it

    # -- probes ------------------------------------------------------------------------------------------------------

    def _look_after(self, at: float) -> None:
        """Probe it when that is due, and forget its failures after enough health."""
        assert self._watch is not None
        if self.record.failures and self._is_healthy(at):
            self._well_again()
        self._watch.look(at)
        self._heed(self._watch, at)

    def answered(self, question: int, answer: Answer, at: float) -> None:
        """An answer from `ask` has come."""
        if self._watch is not None:
            self._watch.answered(question, answer, at)
            self._heed(self._watch, at)

    def _heed(self, watch: Watch, at: float) -> None:
        """Do what the probes say."""
        if watch.is_ready and self.state == "starting":
            self._ready_at = at
            self._note(url=watch.url, ready_after_s=round(at - self._started, 2))
            self._set("ready")
        elif watch.given_up and not self._killed_for and self.held is not None:
            self._killed_for = watch.given_up
            log.warning("%s: %s; it is killed", self.spec.name, self._killed_for)
            self.held.send(signal.SIGKILL)

    def _is_healthy(self, at: float) -> bool:
        """Whether it was ready for so long that earlier ends do not count any more."""
        return self._ready_at is not None and at - self._ready_at >= self.spec.restart.healthy_seconds

    def _well_again(self) -> None:
        self._note(failures=0)
        if self._told_crash or self._told_flapping:
            self._loom.recovered(self)
        self._told_crash = self._told_flapping = False

    # -- its end -----------------------------------------------------------------------------------------------------

    def over(self, at: float) -> None:
        """Its process has ended."""
        if self._foreign is not None:
            self._release()
            self._set("waiting", "the process of somebody else ended")
            return
        assert self.held is not None
        held, self.held, self._watch = self.held, None, None
        self._loom.unwatch(held)
        # Before it is reaped: until then no other process can have its number.
        processes.sweep(self._loom.realm, self.spec.name, held.mark.pid)
        ending = self._ending(held.reap(), at)
        with contextlib.suppress(StorageError):  # the doctor tells of what the disk keeps
            services.forget(self._loom.realm, self.spec.name)
        self._note(process=None, url="")
        if ending.cause == "commanded":
            self._remember(ending)
            self._note(failures=0)
            self._set("waiting" if self.wanted else "stopped")
        else:
            self._failed(at, ending)

    def _ending(self, code: int | None, at: float) -> Ending:
        is_asked = self.state == "stopping"
        late = self.spec.stop_seconds if is_asked and self._killed_late else None
        return endings.made(
            code, asked=is_asked, late=late, killed_for=self._killed_for, seconds=at - self._started,
            was_ready=self._ready_at is not None, last_words=logs.last_words(self._log, self._said_from),
        )  # fmt: skip

    def _failed(self, at: float, ending: Ending) -> None:
        """It ended and nobody had asked for that: start it again, now or later."""
        restart = self.spec.restart
        well = self._is_healthy(at)
        if well and (self._told_crash or self._told_flapping):
            self._well_again()
        failures = (0 if well else self.record.failures) + 1
        self._remember(ending)
        self._note(failures=failures)
        if restart.policy == "never" or (restart.policy == "on-failure" and ending.code == 0):
            self._set("ended", f"{ending.why}, and its restart policy is {restart.policy}")
            return
        seconds = backoff.delay(restart, failures)
        self._after_failure, self._next_try = True, at + seconds
        said = f": {ending.last_words}" if ending.last_words else ""
        next_try = datetime.now(timezone.utc) + timedelta(seconds=seconds)
        self._note(next_try_at=next_try.isoformat(timespec="milliseconds") if seconds else "")
        self._set("backing off" if seconds or ending.cause == "start" else "waiting", f"{ending.why}{said}")
        self._tell(failures, ending)

    def _tell(self, failures: int, ending: Ending) -> None:
        """An end after health, and the first one that makes it flap; all others are in the history."""
        if failures == 1:
            self._told_crash = True
            self._loom.crashed(self, ending)
        if failures >= backoff.FLAPPING and not self._told_flapping:
            self._told_flapping = True
            self._loom.flapping(self, ending)

    def _remember(self, ending: Ending) -> None:
        self._note(history=[*self.record.history, ending][-HISTORY:])

    def save(self) -> str:
        """Write what is known of it; why that failed, or nothing."""
        if self.dirty:
            try:
                belonging.write(self._loom.realm, services.state_path(self._loom.realm, self.spec.name), self.record)
            except StorageError as error:
                return error.message
            self.dirty = False
        return ""
