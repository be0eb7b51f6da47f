"""The person at the terminal: single keys, signals, and a wait that ends at either. Waiting costs nothing."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask for the end; a terminal that is closed sends the last."""
WAKING = (signal.SIGCHLD, signal.SIGWINCH)
"""The battle ended, the terminal's size changed."""

ESCAPES = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z]|)")
"""What arrow and function keys send; some of these end with a letter that was not pressed."""


class Ears:
    """Hears keys and signals. Make one with `listening`."""

    def __init__(self, keys: bool) -> None:
        self.asked = 0
        """The number of the signal that asked for the end; 0 while none did."""
        self._keys = keys
        self._woken, self.waker = os.pipe()
        for end in (self._woken, self.waker):
            os.set_blocking(end, False)

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """A signal's handler."""
        if number in ENDING and not self.asked:
            self.asked = number

    def wait(self, seconds: float) -> str:
        """Wait until a key or a signal comes or the time is over; the keys that were pressed."""
        if self.asked:  # the end is under way: keys mean nothing, and the terminal may be gone
            self._keys = False
        sources = [self._woken, *([sys.stdin.fileno()] if self._keys else [])]
        ready, _, _ = select.select(sources, [], [], seconds)
        if self._woken in ready:
            os.read(self._woken, 4096)
        if self._keys and sys.stdin.fileno() in ready:
            return self._read()
        return ""

    def _read(self) -> str:
        try:
            pressed = os.read(sys.stdin.fileno(), 64)
        except OSError:  # the terminal is gone; its hang-up signal asks for the end
            pressed = b""
        self._keys = bool(pressed)
        return ESCAPES.sub("", pressed.decode("ascii", "ignore")).lower()

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._woken)
        os.close(self.waker)


@contextmanager
def listening(*, keys: bool) -> Iterator[Ears]:
    """Ears for this process; handlers and terminal are as before however we leave."""
    ears = Ears(keys)
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN  # as nohup wants it
    numbers = [number for number in (*ENDING, *WAKING) if not (ignored and number == signal.SIGHUP)]
    before = {number: signal.signal(number, ears.hear) for number in numbers}
    wakeup = signal.set_wakeup_fd(ears.waker, warn_on_full_buffer=False)
    try:
        if keys:
            with _single_keys():
                yield ears
        else:
            yield ears
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        ears.close()


@contextmanager
def _single_keys() -> Iterator[None]:
    """Keys come at once and are not printed."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        yield
    finally:
        with suppress(termios.error):  # the terminal was closed
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
