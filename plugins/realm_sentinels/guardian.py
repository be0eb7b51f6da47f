"""The guardian: watches the battle, ends one that hangs, tells of one that died, and starts it again."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from realm_cli import control, services, status, store, verbs
from realm_cli.errors import StorageError
from realm_cli.events import emit
from realm_cli.manager import Manager
from realm_cli.process import is_running, mark_of
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark, TrainingStatus, now, seconds_since
from realm_cli.terminal import human_seconds
from realm_sentinels import crash, records, traces, victims
from realm_sentinels.crash import Death
from realm_sentinels.progress import Progress
from realm_sentinels.records import BattleDeath, GuardianRecord, Watched

log = logging.getLogger("realm.guardian")
RESTARTS_PER_HOUR = 5
"""One more than a quest takes that kills the battle: after three failures at one place it is held."""
NEW_SECONDS = 60.0
DYING_SECONDS = 10.0
STACK_LINES = 40


class Guardian:
    """Watches the battle of one realm. `look` is one turn; it may be killed at any moment and goes on from its record."""

    def __init__(self, realm: Realm, manager: Manager, beat: Callable[[], None] = lambda: None) -> None:
        self._realm = realm
        self._manager = manager
        self._beat = beat
        self._config = realm.config.guardian
        self._begun = time.monotonic()
        self._progress = Progress(60 * self._config.stuck_minutes)
        self._record = records.read(realm)
        self.child: subprocess.Popen[bytes] | None = None
        """The battle that it started last, until its end is dealt with."""
        self._told = ""

    def look(self) -> None:
        """See how the battle is, and do what is to be done. Raises `RealmError` when the disk refuses."""
        self._record = records.read(self._realm)
        training = status.read(self._realm)
        self._child_that_never_fought(training)
        if training is None or training.process.host != os.uname().nodename:
            return
        if is_running(training.process):
            self._watch(training)
        elif training.state != "stopped":
            self._over(training)

    def _write(self, **changes: object) -> None:
        self._record = msgspec.structs.replace(self._record, **changes)
        store.make_folders([self._realm.status])
        store.write_record(records.guardian_file(self._realm), self._record, durable=True)

    # -- while it runs -------------------------------------------------------------------------------------------------

    def _watch(self, training: TrainingStatus) -> None:
        watched = self._record.watched
        if watched is None or watched.process != training.process:
            command, keeper = victims.origin(self._realm, training.process)
            self._write(watched=Watched(process=training.process, command=command, keeper=keeper))
        silence = self._progress.silence(training)
        if silence is not None:
            self._end_hung(training, silence)

    def _end_hung(self, training: TrainingStatus, silence: str) -> None:
        """Evidence first, then SIGTERM, then SIGKILL; a battle that gets on meanwhile is left alone."""
        victim = victims.hold(training.process)
        if victim is None:
            return  # it has ended by itself
        with victim:
            where = victim.evidence(traces.stacks_file(self._realm), self._beat)
            latest = status.read(self._realm)
            if latest is not None and self._progress.silence(latest) is None:
                return
            log.warning("the battle hangs: %s; %s", silence, where)
            how = victim.end(self._beat)
        death = crash.classify(traces.of_battle(self._realm, training, hung=f"{silence}; {where}; {how}"))
        self._conclude(training, death)

    # -- after its end -------------------------------------------------------------------------------------------------

    def _over(self, training: TrainingStatus) -> None:
        """A battle that ended without having been asked to."""
        known = next((one for one in reversed(self._record.deaths) if one.process == training.process), None)
        if known is not None:
            if not known.restarted:
                self._start_again(known)
            return
        watched = self._record.watched
        is_watched = watched is not None and watched.process == training.process
        if not is_watched and seconds_since(training.heartbeat) > time.monotonic() - self._begun + NEW_SECONDS:
            return  # it died long before we came: the doctor tells of it
        code = self._exit_status(training.process)
        self._conclude(training, crash.classify(traces.of_battle(self._realm, training, code=code)))

    def _exit_status(self, mark: ProcessMark) -> int | None:
        """That of a battle that we started. Its first thread may be gone a moment before the others are."""
        if self.child is None or self.child.pid != mark.pid:
            return None
        with suppress(subprocess.TimeoutExpired):
            return self.child.wait(timeout=DYING_SECONDS)
        return None

    def _conclude(self, training: TrainingStatus, death: Death) -> None:
        """Tell it, write it down, start again. A kill between two of these lets the next guardian go on."""
        event = "battle_stuck" if death.kind == "hung" else "battle_crashed"
        facts = {"hero": training.hero, "step": training.step, "quest": training.quest, "why": death.kind}
        words = {"reason": death.summary, "evidence": death.evidence, "remedy": death.remedy}
        if event == "battle_stuck":
            emit(self._realm, self._manager, "battle_stuck", **facts, **words)
        else:
            emit(self._realm, self._manager, "battle_crashed", **facts, **words)
        log.warning("the battle at step %d died: %s (%s)", training.step, death.summary, death.evidence)
        stacks = [line[:200] for line in traces.tail(traces.stacks_file(self._realm)).splitlines()[-STACK_LINES:]]
        fallen = BattleDeath(
            at=now(), process=training.process, hero=training.hero, quest=training.quest, step=training.step, death=death,
            stacks=stacks,
        )  # fmt: skip
        self._write(deaths=[*self._record.deaths, fallen][-records.DEATHS :])
        self._start_again(fallen)

    def _start_again(self, fallen: BattleDeath) -> None:
        """As it was started before, unless something speaks against it; too often within an hour, it waits."""
        refusal = self._refusal(fallen)
        if refusal:
            self._close(fallen, f"not started again: {refusal}")
            return
        recent = [moment for moment in self._record.restarts if 0 <= seconds_since(moment) < 3600]
        if len(recent) >= RESTARTS_PER_HOUR:
            self._tell(f"the battle was started {len(recent)} times within an hour; it waits until one is older")
            return
        watched = self._record.watched
        assert watched is not None
        self._write(restarts=[*recent, now()])
        mark = self._start(watched.command)
        self._close(fallen, f"started again as pid {mark.pid}")

    def _refusal(self, fallen: BattleDeath) -> str:
        watched = self._record.watched
        if not self._config.restart:
            return "guardian.restart is false"
        if control.is_up(self._realm, "stop"):
            return "it was asked to stop"
        if fallen.death.needs_a_person:
            return f"{fallen.death.summary}: {fallen.death.remedy}"
        if watched is None or watched.process != fallen.process or not watched.command:
            return "nobody saw how it was started: realm battle start"
        if watched.keeper:
            return f"{watched.keeper} keeps it"
        return ""

    def _start(self, command: list[str]) -> ProcessMark:
        output = traces.output_file(self._realm)
        try:
            with open(output, "ab") as file:
                self.child = subprocess.Popen(
                    verbs.line_of(self._realm, *command), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                    cwd=self._realm.root, start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise StorageError("start the battle, with its output in", output, error) from error
        return mark_of(self.child.pid)

    def _close(self, fallen: BattleDeath, what: str) -> None:
        log.warning("%s", what)
        done = [
            msgspec.structs.replace(one, restarted=what) if one.process == fallen.process else one
            for one in self._record.deaths
        ]
        self._write(deaths=done)

    def _child_that_never_fought(self, training: TrainingStatus | None) -> None:
        """A battle that we started and that ended before it could say anything of itself."""
        child = self.child
        if child is None or child.poll() is None:
            return
        if training is not None and training.process.pid == child.pid:
            return  # it did, and is dealt with as any other
        self.child = None
        said = traces.tail(traces.output_file(self._realm), 8192) + traces.tail(traces.stacks_file(self._realm))
        death = crash.classify(crash.Traces(code=child.returncode, said=said))
        log.warning("the battle that was started again ended at once: %s", death.summary)
        emit(
            self._realm, self._manager, "battle_crashed", why=death.kind, reason=death.summary, evidence=death.evidence,
            remedy=death.remedy, step=training.step if training else 0,
        )  # fmt: skip

    def _tell(self, what: str) -> None:
        """Say something once."""
        if what != self._told:
            log.warning("%s", what)
        self._told = what


def summary(record: GuardianRecord) -> str:
    """One line for people about the last end that it saw."""
    if not record.deaths:
        return "no battle has died under its eyes"
    last = record.deaths[-1]
    age = human_seconds(seconds_since(last.at))
    return f"{age} ago at step {last.step}: {last.death.summary}; {last.restarted or 'it is about to be started again'}"


def running(realm: Realm) -> bool:
    """Whether a guardian watches over this realm."""
    return services.running(realm, "guardian") is not None
