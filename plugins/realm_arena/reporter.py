"""What the battle tells the outside: status file, metrics, log lines, ETA. Telling never stops the training."""

from __future__ import annotations

import logging
import time
from typing import Any

import msgspec

from realm_arena.metrics import MetricsWriter, path_of
from realm_arena.trainer import StepResult
from realm_cli import status
from realm_cli.errors import StorageError
from realm_cli.process import this_process
from realm_cli.realm import Realm
from realm_cli.records import Acknowledgement, FlagRecord, SampleView, TrainingStatus, now

log = logging.getLogger("realm.arena")
STATUS_SECONDS = 0.25
LOG_SECONDS = 5.0
LOSS_MEMORY = 0.98
SPEED_MEMORY = 0.9


class Reporter:
    """Holds the present `TrainingStatus` and writes it now and then."""

    def __init__(self, realm: Realm, hero: str) -> None:
        self.realm = realm
        self.status = TrainingStatus(
            state="starting", hero=hero, process=this_process(), heartbeat=now(), started_at=now()
        )
        self.metrics = MetricsWriter(path_of(realm, hero))
        self.board_samples = 0
        """Samples that wait in the queue, for the board's ETA."""
        self._written_at = 0.0
        self._logged_at = 0.0
        self._stepped_at: float | None = None
        self._seconds_per_sample: float | None = None
        self._refused = ""

    def change(self, **fields: Any) -> None:
        """Change the status and write it at once."""
        self.status = msgspec.structs.replace(self.status, **fields)
        self.write()

    def write(self) -> None:
        """Write status and metrics. A disk that refuses is reported once; the next save deals with it."""
        self._written_at = time.monotonic()
        self.status = msgspec.structs.replace(self.status, heartbeat=now())
        try:
            status.write(self.realm, self.status)
            self.metrics.flush()
            self._refused = ""
        except StorageError as error:
            if error.message != self._refused:
                log.warning("%s", error.message)
            self._refused = error.message

    def beat(self) -> None:
        """A sign of life from a waiting loop."""
        if time.monotonic() - self._written_at > 1.0:
            self.write()

    def acknowledge(self, name: str, flag: FlagRecord, note: str = "", **fields: Any) -> None:
        """Answer a flag, together with the state that it led to."""
        answer = Acknowledgement(flag=name, when=flag.when, step=self.status.step, at=now(), note=note)
        self.change(acknowledged={**self.status.acknowledged, name: answer}, **fields)
        log.info("%s at step %d%s", name, self.status.step, f": {flag.reason}" if flag.reason else "")

    def pause_clock(self) -> None:
        """The time until the next step is not training time (saves, pauses, evals)."""
        self._stepped_at = None

    def count_callbacks(self, seconds: float) -> None:
        """Add to the time that evals and forging took, so that their share can be told."""
        self.status = msgspec.structs.replace(self.status, callback_s=self.status.callback_s + seconds)

    def count_saving(self, seconds: float) -> None:
        """Add to the time that checkpoints took."""
        self.status = msgspec.structs.replace(self.status, saving_s=self.status.saving_s + seconds)

    def stepped(self, result: StepResult, samples: int, **fields: Any) -> None:
        """Note one training step; writes when the last writing is old enough."""
        moment = time.monotonic()
        speed = self.status.tokens_per_s
        seconds = None
        if self._stepped_at is not None:
            seconds = max(1e-9, moment - self._stepped_at)
            speed = _blend(speed, result.trained_tokens / seconds, SPEED_MEMORY)
            self._seconds_per_sample = _blend(self._seconds_per_sample, seconds / max(1, samples), SPEED_MEMORY)
        self._stepped_at = moment
        self.status = msgspec.structs.replace(
            self.status,
            loss=result.loss,
            smoothed_loss=_blend(self.status.smoothed_loss, result.loss, LOSS_MEMORY),
            learning_rate=result.learning_rate,
            tokens_per_s=speed,
            **fields,
        )
        self.status = msgspec.structs.replace(self.status, **self._etas())
        self.metrics.add(
            {
                "step": self.status.step, "loss": result.loss, "norm": result.gradient_norm, "lr": result.learning_rate,
                "trained": result.trained_tokens, "samples": samples, "s": seconds, "quest": self.status.quest,
                "t": round(time.time(), 3),
            }
        )  # fmt: skip
        if moment - self._written_at > STATUS_SECONDS:
            self.write()
        if moment - self._logged_at > LOG_SECONDS:
            self._logged_at = moment
            self.log_progress()

    def _etas(self) -> dict[str, float | None]:
        if self._seconds_per_sample is None:
            return {"eta_s": None, "board_eta_s": None}
        left = self.status.samples_total - self.status.samples_done
        eta = left * self._seconds_per_sample
        return {"eta_s": eta, "board_eta_s": eta + self.board_samples * self._seconds_per_sample}

    def log_progress(self) -> None:
        """One line about the quest in battle."""
        s = self.status
        done = 100 * s.samples_done / max(1, s.samples_total)
        log.info(
            "step %d  %s  %.0f %%  loss %.4f  lr %.2e  %.0f tokens/s",
            s.step, s.quest_name, done, s.smoothed_loss or 0.0, s.learning_rate, s.tokens_per_s or 0.0,
        )  # fmt: skip

    def show_sample(self, sample: SampleView) -> None:
        """Keep a recent training sample for people to look at."""
        self.status = msgspec.structs.replace(self.status, sample=sample)


def _blend(old: float | None, new: float, memory: float) -> float:
    """Exponential moving average that starts at the first value."""
    return new if old is None else memory * old + (1 - memory) * new
