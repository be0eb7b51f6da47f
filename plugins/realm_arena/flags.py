"""The battle's side of the control flags and signals: what is asked for right now, and the two ways out of a loop."""

from __future__ import annotations

import signal
from types import FrameType

from realm_cli import control
from realm_cli.realm import Realm
from realm_cli.records import FlagRecord, now

NOTHING_IN_BATTLE = "no quest is in battle"


class Stop(Exception):  # noqa: N818 - not an error: the way out of every loop
    """The battle was asked to stop by `flag`; `unsaved` says why the disk kept it from saving first."""

    def __init__(self, flag: FlagRecord, unsaved: str = "") -> None:
        super().__init__(flag.reason)
        self.flag = flag
        self.unsaved = unsaved


class QuestOver(Exception):  # noqa: N818 - not an error: the way out of a quest
    """The quest in battle ends with this outcome; `flag` is what asked for it."""

    def __init__(self, outcome: str, reason: str, flag: FlagRecord | None = None) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.flag = flag


class Flags:
    """Looks at flag files and signals. SIGTERM and SIGINT mean stop."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        self._signal: str | None = None

    def catch_signals(self) -> None:
        """From now on SIGTERM and SIGINT ask for a stop; a second SIGINT interrupts at once."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._signal = signal.Signals(number).name

    def wanted(self, name: str) -> FlagRecord | None:
        """The flag when it is up; for `stop` a signal counts as one."""
        if name == "stop" and self._signal is not None:
            return FlagRecord(who=self._signal, when=now(), reason=self._signal)
        return control.read(self.realm, name) if control.is_up(self.realm, name) else None

    def check_stop(self) -> None:
        """Raise `Stop` when it is wanted."""
        flag = self.wanted("stop")
        if flag is not None:
            raise Stop(flag)

    def lower(self, name: str) -> None:
        """Take a flag down once it is dealt with."""
        control.lower(self.realm, name)

    def drop_stale(self) -> list[str]:
        """Take down what was meant for an earlier battle: stop, skip and save hold for a running one only."""
        return [name for name in ("stop", "skip", "save") if control.lower(self.realm, name)]
