"""The GPUs that inference runs on: read again and again in a thread, averaged, and judged: which one is idle, or why none is."""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from realm_cli.carriers import Carrier, Ssh
from realm_cli.errors import RealmError
from realm_cli.gpus import LEAST_SHARE, MEGABYTE, Gpu, LocalGpus, Reading, Window, read_far
from realm_cli.hosts import Hosts
from realm_cli.realm import Realm
from realm_cli.task_config import TasksConfig
from realm_cli.task_records import GpuStanding

log = logging.getLogger("realm.taskmaster")
SAMPLES = 10
"""Readings in a window."""
MOST_SECONDS = 5.0
LEAST_SECONDS = 0.2


@dataclass(frozen=True)
class Chosen:
    """The card for a task, or why there is none; both empty = it needs none."""

    card: str = ""
    reason: str = ""


class Cards:
    """The cards of the inference host, or of this machine."""

    def __init__(self, realm: Realm, config: TasksConfig) -> None:
        self.config = config
        self.host = Hosts.of(realm).inference() or ""
        self._carrier: Carrier | None = None
        if self.host:
            entry = Hosts.of(realm).get(self.host)
            self._carrier = Ssh(entry.host, entry.ssh_user, entry.ssh_port)
        self._here = LocalGpus()
        self._window = Window(config.window_s)
        self._reading = Reading(reason="not looked at yet")
        self._over = threading.Event()

    # -- looking -----------------------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Between two readings."""
        return min(MOST_SECONDS, max(LEAST_SECONDS, self.config.window_s / SAMPLES))

    def look(self) -> None:
        """One reading."""
        try:
            self._reading = self._here.read() if self._carrier is None else read_far(self._carrier)
        except RealmError as error:
            self._reading = Reading(reason=error.message)
        except subprocess.TimeoutExpired:
            self._reading = Reading(reason=f"{self.host} does not answer")
        self._window.add(self._reading)

    def watch(self) -> None:
        """Read again and again in a thread, until `close`."""
        threading.Thread(target=self._watch, name="GPUs", daemon=True).start()

    def _watch(self) -> None:
        while not self._over.is_set():
            try:
                self.look()
            except Exception:  # the edge of a reading: the next one may work
                log.exception("the GPUs cannot be read")
            self._over.wait(self.seconds)

    def settle(self) -> None:
        """Read until the averages are known, for a look without a task master that watched before."""
        for _ in range(round(self.config.window_s / self.seconds) + 2):
            self.look()
            cards = self._reading.gpus
            if all(card.utilisation is None or self._window.average(card.uuid) is not None for card in cards):
                return
            self._over.wait(self.seconds)

    def are_those_of(self, other: Cards) -> bool:
        """Whether both look at the same machine by the same way."""
        return (self.host, self._carrier) == (other.host, other._carrier)

    def close(self) -> None:
        """End the thread and the connection."""
        self._over.set()
        if self._carrier is not None:
            self._carrier.close()

    # -- judging -----------------------------------------------------------------------------------------------------

    @property
    def no_gpu(self) -> str:
        """Why there is none; empty when there are."""
        return "" if self._reading.gpus else f"{self.place}{self._reading.reason}"

    @property
    def place(self) -> str:
        """`3090: ` before what is said of another machine's cards."""
        return f"{self.host}: " if self.host else ""

    def standings(self) -> list[GpuStanding]:
        """Every card with its average."""
        return [self._standing(card) for card in self._reading.gpus]

    def _standing(self, card: Gpu) -> GpuStanding:
        average = self._window.average(card.uuid)
        if average is None:
            return GpuStanding(card=card, state="unknown")
        if average < self.config.idle_percent:
            return GpuStanding(card=card, average=average, state="idle")
        state: Literal["busy", "in use"] = "busy" if average > self.config.busy_percent else "in use"
        return GpuStanding(card=card, average=average, state=state)

    def choose(self, free_mb: int, taken: Collection[str]) -> Chosen:
        """An idle card with so much memory free that no other run holds. `taken` with an empty name holds all."""
        if not self._reading.gpus:
            can_do_without = self.config.cpu_inference and not self.host
            return Chosen() if can_do_without else Chosen(reason=self.no_gpu)
        reasons = []
        for standing in self.standings():
            reason = self._why_not(standing, free_mb, taken)
            if not reason:
                return Chosen(card=standing.card.uuid)
            reasons.append(f"{self.place}GPU {standing.card.index} {reason}")
        return Chosen(reason="; ".join(reasons))

    def _why_not(self, standing: GpuStanding, free_mb: int, taken: Collection[str]) -> str:
        card, over = standing.card, f"over {self.config.window_s:g} s"
        if card.uuid in taken or "" in taken:
            return "is held by another run"
        if standing.average is None:
            known = f"is watched for {LEAST_SHARE * self.config.window_s:g} s first"
            return "does not tell how busy it is" if card.utilisation is None else known
        if standing.state != "idle":
            return f"is {standing.state}: {standing.average:.0f} % {over}, idle is under {self.config.idle_percent:g} %"
        if card.memory_free < free_mb * MEGABYTE:
            return f"has {card.memory_free // MEGABYTE:,} MB free, {free_mb:,} MB are needed"
        return ""
