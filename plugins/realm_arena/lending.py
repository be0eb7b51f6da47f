"""The battle's side of callbacks: what it offers them, and the points of its history at which they are called."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from realm_arena.campaign import Campaign
from realm_arena.flags import Stop
from realm_arena.generating import ModelGenerator
from realm_arena.obedience import Obedience
from realm_arena.reporter import Reporter
from realm_arena.tokens import TokenView
from realm_cli import profiles, weights
from realm_cli.callbacks import BattleCallback, Orders
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import EvalView, FlagRecord, QuestRecord, SampleView, now

FIXED_POINTS = ("quest_end", "interval")
"""Saves that every run of the same history makes at the same steps, killed or not. Pauses and minutes are not."""


ANSWER_TOKENS = 48
"""Longest answer to a sample that is shown during training."""


class Lender:
    """A `realm_cli.callbacks.BattleFace` of one battle, and the calls of its callbacks."""

    def __init__(
        self,
        realm: Realm,
        manager: Manager,
        orders: Orders,
        campaign: Campaign,
        obedience: Obedience,
        reporter: Reporter,
    ) -> None:
        self.realm = realm
        self.manager = manager
        self.orders = orders
        self.hero = campaign.hero.id
        self._campaign = campaign
        self._patience = campaign.patience
        self._obedience = obedience
        self._reporter = reporter
        self._quest: QuestRecord | None = None
        self._end_reason = ""
        self.idle_reason = "the board is empty; it waits for quests"
        self._callbacks: list[BattleCallback] = [
            manager.load_part("realm_callbacks", name, "callback")()
            for name in sorted(manager.parts("realm_callbacks"))
        ]

    # -- what the callbacks see ------------------------------------------------------------------------------

    @property
    def step(self) -> int:
        """Optimizer steps so far."""
        return self._campaign.progress.step

    def generator(self) -> ModelGenerator:
        """The live model; the weights hash is that of the checkpoint it stands at, empty between checkpoints."""
        hero, checkpoint, sha256 = self._campaign.hero, self._campaign.checkpoint, ""
        profile = hero.profile
        if self._campaign.is_saved and checkpoint is None:
            sha256 = weights.weights_sha256(hero.base)
        elif self._campaign.is_saved and checkpoint is not None:
            record = Ledger(self.realm, hero.id).get(checkpoint.step)
            # Where the hero's was changed since, the checkpoint is asked as it was trained, as the Oracle does it.
            sha256, profile = record.weights_sha256, profiles.of_record(self.realm, record)
        model, precision = self._campaign.trainer.model, hero.config.recipe.precision
        return ModelGenerator(model, hero.tokenizer, hero.id, self.step, sha256, precision, profile)

    def breathe(self, doing: str) -> None:
        """Show what is being done, obey the flags."""
        self._obedience.obey(self._quest)
        if self._reporter.status.state != "evaluating" or self._reporter.status.reason != doing:
            self._reporter.change(state="evaluating", reason=doing)
        self._reporter.beat()

    def show_eval(self, view: EvalView) -> None:
        """Keep the last eval for people to look at."""
        self._reporter.change(last_eval=view)

    def explain(self, reason: str) -> None:
        """Keep why nothing can be forged."""
        self.idle_reason = reason

    def end(self, reason: str) -> None:
        """Stop after the callback."""
        self._end_reason = self._end_reason or reason

    def answered(self, view: TokenView, index: int) -> SampleView:
        """A training sample with the hero's own answer to it, short, so that it costs next to nothing."""
        hero = self._campaign.hero
        sample = hero.sample_view(view, index)
        ids, trained = view.sample(index)
        prompt = [int(token) for token in ids[: int(np.argmax(trained))]]
        if not prompt:
            return sample
        return msgspec.structs.replace(sample, answer=self.generator().complete(prompt, ANSWER_TOKENS))

    # -- what the battle calls -------------------------------------------------------------------------------

    def at_checkpoint(self, quest: QuestRecord | None) -> None:
        """Call back where the battle stands at a checkpoint of a fixed point."""
        checkpoint = self._campaign.checkpoint
        if checkpoint is None or not self._campaign.is_saved:
            return
        if Ledger(self.realm, self.hero).get(checkpoint.step).saved_for in FIXED_POINTS:
            self._each(quest, lambda callback: callback.at_checkpoint(self))

    def forge(self) -> bool:
        """Ask for a quest; whether one was queued."""
        found: list[bool] = []
        self._each(None, lambda callback: found.append(callback.on_empty_board(self)))
        return any(found)

    def _each(self, quest: QuestRecord | None, call: Callable[[BattleCallback], Any]) -> None:
        if not self._callbacks:
            return
        before, begun = (self._reporter.status.state, self._reporter.status.reason), time.monotonic()
        self._quest = quest
        for callback in self._callbacks:
            # What a callback did is on disk, so that one which the disk refused can be called again.
            self._patience.persist(functools.partial(call, callback))
        self._reporter.pause_clock()
        self._reporter.count_callbacks(time.monotonic() - begun)
        if (self._reporter.status.state, self._reporter.status.reason) != before:
            self._reporter.change(state=before[0], reason=before[1])
        if self._end_reason:
            raise Stop(FlagRecord(who="the battle's orders", when=now(), reason=self._end_reason))
