"""GPU courtesy: while another program needs the battle's GPU, or it is too hot, the battle is paused and its memory released.

A thread looks every two seconds and works by the pause flag, as a person would; see `manners` for when.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from types import TracebackType

import torch

from realm_arena.manners import WHO, Foreigner, Manners, Seen
from realm_cli import control
from realm_cli.config import TrainingConfig
from realm_cli.errors import RealmError
from realm_cli.gpus import MEGABYTE, Gpu, LocalGpus
from realm_cli.kinship import Kinship
from realm_cli.process import is_running, mark_of
from realm_cli.realm import Realm

log = logging.getLogger("realm.arena")
LOOK_SECONDS = 2.0


class Courtesy:
    """Watches the GPU of one battle, inside a `with`. A pause of its own that a kill left up is lowered by the next battle."""

    def __init__(self, realm: Realm, device: torch.device) -> None:
        self._realm = realm
        self._config: TrainingConfig = realm.config.training
        self._card = _card_of(device, self._config)
        self._is_on_gpu = device.type == "cuda"
        self._foreigners: tuple[Foreigner, ...] = ()
        self._celsius: int | None = None
        self._gpus = LocalGpus()
        self._manners = Manners(self._config.max_celsius)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="GPU courtesy", daemon=True)

    def __enter__(self) -> Courtesy:
        if self._card is None:  # nothing to be polite about: what an earlier battle left would hold for ever
            control.withdraw(self._realm, "pause", WHO)
        else:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._over.set()
        if self._card is not None:
            self._thread.join(timeout=LOOK_SECONDS)
            control.withdraw(self._realm, "pause", WHO)

    def _watch(self) -> None:
        while not self._over.is_set():
            try:
                self.look()
            except RealmError as error:
                log.warning("GPU courtesy: %s", error.message)
            except Exception:  # the edge of a look: training goes on whatever a driver says
                log.exception("GPU courtesy failed")
            self._over.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Look once, and raise or lower the pause."""
        self._look_at_card()
        seen = Seen(time.monotonic(), self._foreigners, self._celsius, control.read(self._realm, "pause"))
        wish = self._manners.decide(seen)
        if wish is None:
            return
        if wish.deed == "lower":
            control.withdraw(self._realm, "pause", WHO)
            log.info("the GPU is free again")
        elif control.offer(self._realm, "pause", wish.reason, who=WHO, release=True):
            log.info("the battle yields: %s", wish.reason)

    def _look_at_card(self) -> None:
        """See who is on the card and how hot it is. While it does not answer, what was seen last goes on to count."""
        cards = self._gpus.read().gpus
        card = next((card for card in cards if self._card in (card.index, card.uuid)), None)
        if card is None:
            self._foreigners = tuple(one for one in self._foreigners if is_running(one.mark))
            return
        # A battle on a GPU holds memory of it. Where the driver does not list it under its own pid, it counts pids of
        # another name space (outside of this container): here they are other processes, or none.
        knows_pids = not self._is_on_gpu or os.getpid() in {process.pid for one in cards for process in one.processes}
        self._foreigners = self._seen_on(card) if knows_pids and self._config.yield_gpu else ()
        self._celsius = card.temperature

    def _seen_on(self, card: Gpu) -> tuple[Foreigner, ...]:
        """Who holds so much memory that it counts, and is neither the battle nor of the realm.

        A process that cannot be seen (in another container, say) might be ours, and is not counted.
        """
        kinship, found = Kinship(self._realm), []
        for process in card.processes:
            mark = mark_of(process.pid)
            held = (process.memory or 0) // MEGABYTE
            if mark.started and held >= self._config.yield_mb and not kinship.is_ours(process.pid):
                found.append(Foreigner(process.name or "a program", mark, held))
        return tuple(found)


def _card_of(device: torch.device, config: TrainingConfig) -> int | str | None:
    """By number or uuid; None = there is none to watch. torch and NVML number the cards differently, so its uuid is asked."""
    if not config.yield_gpu and config.max_celsius is None:
        return None
    if config.watched_gpu is not None:
        return config.watched_gpu
    if device.type != "cuda":
        return None
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    return f"GPU-{uuid}" if uuid is not None else None
