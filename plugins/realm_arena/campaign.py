"""A hero's training life across checkpoints: load the newest good one, save, roll back."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Any

import torch

from realm_arena import retention, saving, statefiles
from realm_arena.held_out import HeldOut
from realm_arena.patience import NoRoomError, Patience
from realm_arena.progress import Progress
from realm_arena.quest_data import Hero
from realm_arena.rank import Rank
from realm_arena.reporter import Reporter
from realm_arena.trainer import Trainer
from realm_cli import store
from realm_cli.checkpoint_records import Cursor, LedgerRecord
from realm_cli.checkpoints import Checkpoint
from realm_cli.events import emit
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.profiles import stamped
from realm_cli.records import QuestRecord


class Campaign:
    """Trainer and progress, kept together with what is saved of them."""

    def __init__(
        self, hero: Hero, manager: Manager, reporter: Reporter, patience: Patience, device: torch.device
    ) -> None:
        self.hero = hero
        self.realm = hero.realm
        self.manager = manager
        self.reporter = reporter
        self.patience = patience
        self.config = hero.realm.config.training
        retention.drop_remains(self.realm, hero.id)
        found = saving.newest_good(self.realm, hero.id)
        self.checkpoint, self.lost_quests = found.checkpoint, found.lost_quests
        for problem in found.problems:
            patience.persist(functools.partial(emit, self.realm, manager, "checkpoint_damaged", problem=problem))
        torch.manual_seed(0)
        self.trainer = Trainer(self._folder(), hero.config.recipe, device)
        self.held_out = HeldOut.load(hero, self.trainer.packed)
        self.rank = Rank(self.realm, manager, hero.id)
        self._restore()
        self.rank.saved(self.progress.step)

    def _folder(self) -> Path:
        return self.checkpoint.path if self.checkpoint else self.hero.base

    def _restore(self) -> None:
        """Optimizer, random states and progress of the checkpoint; all zero at step 0."""
        state = self.checkpoint.state() if self.checkpoint else None
        if self.checkpoint and state:
            statefiles.restore(self.trainer, self.checkpoint.path, state.step)
        self.progress = Progress(state)
        self.trainer.step = self.progress.step
        self.saved_at = time.monotonic()
        self.reporter.change(step=self.progress.step, smoothed_loss=self.progress.smoothed_loss)

    def roll_back(self) -> None:
        """The state of the last checkpoint (or step 0) again, in this process."""
        statefiles.reload_weights(self.trainer, self._folder())
        self._restore()

    def changed_profile(self) -> str:
        """What it means that the hero has another data profile than the checkpoint; empty when it has the same."""
        if self.checkpoint is None:
            return ""
        record, config = Ledger(self.realm, self.hero.id).get(self.checkpoint.step), self.hero.config
        if (record.profile, record.system_prompt) == (config.profile, config.system_prompt or ""):
            return ""
        before = stamped(record.profile, record.system_prompt)
        return (
            f"the data profile was {before} up to step {record.step:,} and is {self.hero.profile.stamp} from here on: quests are"
            f" tokenized anew, begun ones go on in the new form, and evals are not compared with those under {before}"
        )

    def finished_quests(self) -> set[tuple[str, int]]:
        """(id, number) of the quests whose last sample is in the checkpoint we stand on."""
        state = self.checkpoint.state() if self.checkpoint else None
        return {(cursor.quest, cursor.number) for cursor in state.finished} if state else set()

    @property
    def is_saved(self) -> bool:
        """Whether this very step is on disk; step 0 is the base model, which always is."""
        return self.progress.step == (self.checkpoint.step if self.checkpoint else 0)

    def save_if_due(self, quest: QuestRecord) -> bool:
        """Save at every so many steps, and after so many minutes. True for the first: the clock has no part in it."""
        if self.progress.step % self.config.save_steps == 0:
            self.save("interval", quest)
            return True
        if time.monotonic() - self.saved_at >= 60 * self.config.save_minutes:
            self.save("minutes", quest)
        return False

    def save(self, why: str, quest: QuestRecord | None = None, finished: list[Cursor] | None = None) -> None:
        """Checkpoint now, unless this step has one; waits while the disk has no room."""
        if self.is_saved:
            return
        before, begun = self.reporter.status.state, time.monotonic()
        self.reporter.change(state="saving")
        # While the GPU is released nothing can be computed: that checkpoint has no val_loss.
        val_loss = self.held_out.loss(self.trainer) if self.held_out and not self.trainer.is_released else None
        facts = self._facts(why, quest, finished or [], val_loss)
        self.checkpoint = self.patience.persist(lambda: self._write(facts))
        self.progress.saved()
        self.saved_at = time.monotonic()
        self.patience.persist(lambda: retention.apply(self.realm, self.hero.id, self.config.keep_last))
        self.reporter.pause_clock()
        self.reporter.count_saving(time.monotonic() - begun)
        self.reporter.change(state=before, val_loss=val_loss, last_checkpoint=self.checkpoint.name)
        self.tell("checkpoint_saved", name=self.checkpoint.name, why=why)
        self.patience.persist(lambda: self.rank.saved(self.progress.step))

    def tell(self, event: str, /, **facts: Any) -> None:
        """An event of the battle, with its step; waits while the disk refuses it."""
        telling = functools.partial(emit, self.realm, self.manager, event, step=self.progress.step, **facts)
        self.patience.persist(telling)

    def _write(self, facts: saving.Facts) -> Checkpoint:
        needed = retention.room_needed(self.checkpoint) + self.config.reserve_mb * 1_000_000
        free = store.free_bytes(self.realm.models)
        if free < needed:
            raise NoRoomError(
                f"too little disk for a checkpoint: {free:,} bytes free, {needed:,} needed on {self.realm.models}",
                "free space there, or lower training.reserve_mb",
            )
        return saving.save(self.hero, self.trainer, facts)

    def _facts(
        self, why: str, quest: QuestRecord | None, finished: list[Cursor], val_loss: float | None
    ) -> saving.Facts:
        shown, progress = self.reporter.status, self.progress
        state = progress.state(finished, shown.smoothed_loss, torch.get_num_threads())
        ledger = LedgerRecord(
            hero=self.hero.id, step=progress.step, canonical_name="", weights_sha256="", created_at="",
            parent=self.checkpoint.name if self.checkpoint else "", train_loss=progress.mean_loss, val_loss=val_loss,
            learning_rate=shown.learning_rate, epoch=shown.epoch, tokens_seen=progress.tokens_seen,
            samples_seen=progress.samples_seen, skill_name=quest.skill if quest else "",
            skill_level=quest.level if quest else 0, training_file=quest.name if quest else "",
            quests=list(progress.shares.values()), template_sha256=self.hero.tokenizer.template_hash, saved_for=why,
            profile=self.hero.config.profile, system_prompt=self.hero.config.system_prompt or "",
        )  # fmt: skip
        return saving.Facts(state, ledger)
