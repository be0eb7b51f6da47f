"""The probes of one running process: until it is ready, and from then on whether it lives."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from realm_cli import services
from realm_cli.realm import Realm
from realm_cli.records import ServiceRecord
from realm_weaver import processes
from realm_weaver.plan import HEALTH, Spec
from realm_weaver.probes import Answer, Prober, Pulse
from realm_weaver.processes import Held

Ask = Callable[[int, str, float], None]
"""Asks an address beside the loop: the number of the question, the address, after how many seconds it is in vain."""


class Watch:
    """What probes say of a process. `is_ready` and `given_up` are the results; who keeps the service acts on them."""

    def __init__(self, realm: Realm, spec: Spec, held: Held, ask: Ask, at: float) -> None:
        self.is_ready = False
        self.url = spec.url
        self.given_up = ""
        """Why it has to be killed."""
        self._realm = realm
        self._spec = spec
        self._held = held
        self._ask = ask
        self._started = at
        self._pulse = Pulse(spec.heartbeat) if spec.heartbeat else None
        probe = spec.readiness
        self._prober = Prober(
            probe.initial_delay_seconds, probe.period_seconds, probe.timeout_seconds, probe.failure_threshold, at
        )

    @property
    def due(self) -> float | None:
        """When `look` has to be called next."""
        return None if self.given_up else self._prober.due

    def live(self, at: float, url: str) -> None:
        """It is ready: from now on it has to show that it lives."""
        probe, period = self._spec.liveness, self._spec.live_period
        self.is_ready, self.url = True, url
        delay = max(probe.initial_delay_seconds, period)
        self._prober = Prober(delay, period, probe.timeout_seconds, probe.failure_threshold, at)

    def look(self, at: float) -> None:
        """Put the probe if it is due."""
        prober = self._prober
        if self.given_up or at < prober.due:
            return
        if prober.is_open:
            self._judge(Answer(False, f"{self.url or 'it'} does not answer within {prober.seconds:g} s"), at)
            return
        question = prober.begin(at)
        if self._spec.probe != "http":
            self._judge(self._heartbeat() if self._spec.probe == "heartbeat" else self._process(), at)
        elif url := self._health():
            self._ask(question, url, prober.seconds)
        else:
            self._judge(Answer(False, "it has not said where it listens"), at)

    def answered(self, question: int, answer: Answer, at: float) -> None:
        """The answer to a question has come; an old one does not count."""
        if self._prober.awaits(question):
            if answer.ok and not self.is_ready and self._spec.url and not self._is_own_port():
                answer = Answer(False, f"{self._spec.url} is answered by another program")
            self._judge(answer, at)

    def _judge(self, answer: Answer, at: float) -> None:
        in_vain = self._prober.count(answer, at)
        if answer.ok and not self.is_ready:
            self.live(at, self.url or self._announced())
        elif in_vain:
            begin = "it hangs" if self.is_ready else f"it is not ready after {at - self._started:.0f} s"
            self.given_up = f"{begin}: {answer.said}"

    def _health(self) -> str:
        """The address to ask; empty while the service has announced none."""
        if self._spec.url:
            return self._spec.url
        return f"{url}{HEALTH}" if (url := self.url or self._announced()) else ""

    def _announced(self) -> str:
        found = self._announcement()
        return found.url if found else ""

    def _announcement(self) -> ServiceRecord | None:
        """What the service said of itself; another program's announcement does not count."""
        found = services.running(self._realm, self._spec.name)
        return found if found and self._held.owns(found.process.pid) else None

    def _is_own_port(self) -> bool:
        return processes.listens(self._held, urlsplit(self._spec.url).port or 80)

    def _heartbeat(self) -> Answer:
        has_moved = self._pulse is not None and self._pulse.moved()
        is_alive = has_moved or (not self.is_ready and self._announcement() is not None)
        return Answer(is_alive, f"{self._spec.heartbeat} did not change")

    def _process(self) -> Answer:
        return Answer(not processes.is_stopped(self._held.mark), "its process stands still")
