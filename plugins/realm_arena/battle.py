"""The battle: one process that holds the model and trains quest after quest until it is stopped."""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Sequence

import torch

from realm_arena import blackbox, machine, order, tokens
from realm_arena.campaign import Campaign
from realm_arena.courtesy import Courtesy
from realm_arena.flags import Flags, QuestOver, Stop
from realm_arena.lending import Lender
from realm_arena.obedience import Obedience
from realm_arena.order import Step
from realm_arena.patience import Patience
from realm_arena.quest_data import Hero
from realm_arena.reporter import Reporter
from realm_arena.tokens import TokenView
from realm_cli import inbox, intake, store
from realm_cli.callbacks import Orders
from realm_cli.checkpoint_records import Cursor
from realm_cli.errors import RealmError, StorageError
from realm_cli.manager import Manager
from realm_cli.questfiles import QuestFile
from realm_cli.quests import Board
from realm_cli.realm import PRIORITIES, Realm
from realm_cli.records import QuestRecord

log = logging.getLogger("realm.arena")
MACHINE_FAILURES = 3
"""Failures of the machine at one cursor after which a quest is held."""
INTAKE_SECONDS = 1.0
SAMPLE_SECONDS = 5.0
SAMPLE_SHARE = 0.01
"""Most of a battle's time that answers to samples for show may take."""
COUNTED_QUESTS = 200
"""Queued quests of each priority that the board's ETA looks at."""


class Battle:
    """One battle. `run` is its whole life."""

    def __init__(
        self, realm: Realm, manager: Manager, *, until_empty: bool = False, orders: Orders | None = None
    ) -> None:
        self.orders = orders or Orders()
        self.realm = realm
        self.manager = manager
        self.until_empty = until_empty
        self.board = Board(realm)
        self.flags = Flags(realm)
        self.current: tuple[QuestFile, QuestRecord] | None = None
        self.longest_tried = 0

    # -- life ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Prepare, serve the board, leave. Raises `LockedError` when another battle runs in this realm."""
        with store.locked(self.realm.battle_lock, wait=False, owner="another battle of this realm"):
            died_at = blackbox.read(self.realm.battle_step)
            self.flags.catch_signals()
            hero = Hero.active(self.realm)
            self.reporter = Reporter(self.realm, hero.id)
            self.black_box = blackbox.BlackBox(self.realm.battle_step)
            try:
                device = machine.pick_device(self.realm.config.training.device)
                with Courtesy(self.realm, device):
                    self._prepare(hero, died_at, device)
                    self._serve()
            except Stop as stop:
                self._leave(stop)
            except BaseException as error:
                self.reporter.change(state="failed", reason=f"{type(error).__name__}: {error}"[:500])
                raise
            finally:
                self.black_box.close()

    def _prepare(self, hero: Hero, died_at: tuple[str, int] | None, device: torch.device) -> None:
        """Load the newest good checkpoint, or step 0, and put right what a kill left."""
        stale = self.flags.drop_stale()
        self.reporter.change(reason=f"stale flags dropped: {', '.join(stale)}" if stale else "loading the hero")
        torch.set_num_threads(self.realm.config.training.threads or machine.default_threads())
        self.hero = hero
        self.patience = Patience(self.flags, self.reporter)
        self.campaign = Campaign(hero, self.manager, self.reporter, self.patience, device)
        self.obedience = Obedience(self.flags, self.campaign, self.patience, self.reporter)
        self.lender = Lender(self.realm, self.manager, self.orders, self.campaign, self.obedience, self.reporter)
        for line in self.board.mend(hero.id):
            log.info("%s", line)
        self._finish_filed()
        self._queue_lost()
        self._count_crash(died_at)
        trainer, step = self.campaign.trainer, self.campaign.progress.step
        changed = self.campaign.changed_profile()
        if changed:
            log.warning("%s", changed)
        note = {"note": changed} if changed else {}
        self.campaign.tell("battle_resumed" if step else "battle_started", hero=hero.id, **note)
        packing = "on" if trainer.packed else "off (this architecture does not keep packed samples apart)"
        log.info("%s at step %d on %s, %d threads, packing %s", hero.id, step, device, torch.get_num_threads(), packing)

    def _finish_filed(self) -> None:
        """File the quests whose last sample the checkpoint holds but whose end a kill kept from being written."""
        finished = self.campaign.finished_quests()
        for file in self.board.files("processing"):
            if (file.id, file.number) in finished:
                self._file_completed(file)

    def _queue_lost(self) -> None:
        """Queue the quests again whose training went with a damaged checkpoint."""
        for quest in self.campaign.lost_quests:
            file = self.board.find(quest)
            if file is not None and file.state == "recently_completed":
                self.board.retry(quest)
                log.warning("quest %s is queued again: its training was in a damaged checkpoint", quest)
                self.campaign.tell("quest_queued_again", quest=quest)
            elif file is None:
                log.warning("quest %s was trained in a damaged checkpoint, and its file is gone: add it again", quest)

    def _count_crash(self, died_at: tuple[str, int] | None) -> None:
        """A battle that died in a step counts as a failure of the machine at that place of the quest."""
        for file in self.board.files("processing"):
            if died_at is not None and file.id == died_at[0]:
                self._machine_failed(file, died_at[1], "the battle died in a step")

    def _leave(self, stop: Stop) -> None:
        """Save, put the quest back with its cursor, say goodbye."""
        unsaved = stop.unsaved
        try:
            if not unsaved:
                self.campaign.save("stop", self.current[1] if self.current else None)
            if self.current is not None:
                self.patience.persist(functools.partial(self.board.put_back, self.current[0]))
        except Stop as again:
            unsaved = again.unsaved
        reason = stop.flag.reason or "stopped by request"
        if unsaved:
            reason = f"stopped without saving, so the steps since the last checkpoint are trained again: {unsaved}"
            log.error("%s", reason)
        self.flags.lower("stop")
        self.reporter.acknowledge(
            "stop", stop.flag, note=unsaved, state="stopped", reason=reason, quest="", quest_name=""
        )
        self.campaign.tell("battle_stopped", reason=reason)

    # -- the board -------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Quest after quest, high before normal before low."""
        self.lender.at_checkpoint(None)
        while True:
            self.obedience.obey(None)
            self.patience.persist(lambda: intake.take_inbox(self.realm, self.manager))
            file = self._next_quest()
            if file is not None:
                self._fight(file)
                self.lender.at_checkpoint(None)
            elif self.until_empty and not inbox.waiting(self.realm):
                self.campaign.save("stop")
                self.campaign.tell("board_empty")
                self.reporter.change(state="stopped", reason="the board is empty", quest="", quest_name="", eta_s=None)
                return
            else:
                self._wait_for_quests()

    def _next_quest(self) -> QuestFile | None:
        """A quest that a kill interrupted goes on first: what runs is not preempted."""
        interrupted = self.board.files("processing")
        if interrupted:
            return interrupted[0]
        if self.orders.forge:
            file = self._claim(("high", "normal"))
            if file is not None or self.lender.forge():
                return file or self._claim(("high", "normal"))
        return self._claim(PRIORITIES)

    def _claim(self, priorities: Sequence[str]) -> QuestFile | None:
        return self.patience.persist(lambda: self.board.claim(priorities))

    def _wait_for_quests(self) -> None:
        if self.reporter.status.state != "idle":
            self.campaign.save("idle")
            self.campaign.tell("board_empty")
            reason = self.lender.idle_reason
            self.reporter.change(state="idle", reason=reason, quest="", quest_name="", eta_s=None)
        until = time.monotonic() + INTAKE_SECONDS
        while time.monotonic() < until:
            self.obedience.obey(None)
            self.patience.rest()

    def _fight(self, file: QuestFile) -> None:
        """Train one quest to its end, whatever the end is."""
        try:
            record = self._begin(file)
            self._train(record, self._tokens(file, record))
            self._complete(file, record)
        except QuestOver as over:
            self._end(file, over)
        except (MemoryError, RuntimeError) as error:
            if not machine.is_out_of_memory(error):
                raise
            self._out_of_memory(file, error)
        self.current = None

    def _begin(self, file: QuestFile) -> QuestRecord:
        attempts = self.board.record(file.id).attempts + 1
        priority = {"priority": file.origin} if file.origin else {}
        update = functools.partial(self.board.update, file.id, attempts=attempts, **priority)
        record = self.patience.persist(update)
        self.current = (file, record)
        self.campaign.progress.cursor(file)
        queued = [other for name in PRIORITIES for other in self.board.files(name)[:COUNTED_QUESTS]]
        self.reporter.board_samples = sum(self.board.record(other.id).samples for other in queued)
        self.reporter.pause_clock()
        self.reporter.change(
            state="training", reason="", quest=file.id, quest_name=record.name, samples_done=0,
            samples_total=record.samples * self.hero.config.recipe.epochs,
        )  # fmt: skip
        log.info("quest %s (%s): %d samples", file.id, record.name, record.samples)
        return record

    def _tokens(self, file: QuestFile, record: QuestRecord) -> TokenView:
        """The quest's tokens; data that cannot be read is the quest's own failure."""
        try:
            view = self.patience.persist(lambda: self.hero.tokens_of(file.path, record.sha256))
        except StorageError:
            raise
        except RealmError as error:
            raise QuestOver("failed", error.message) from error
        if len(view) == 0:
            raise QuestOver("failed", "no sample of it can be trained: all are longer than max_length")
        return view

    # -- training --------------------------------------------------------------------------------------------

    def _train(self, record: QuestRecord, view: TokenView) -> None:
        """The loop: take the next samples, train them, move the cursor, look at the flags."""
        recipe, trainer, progress = self.hero.config.recipe, self.campaign.trainer, self.campaign.progress
        total, show_at = len(view) * recipe.epochs, 0.0
        self._rehearse_longest(view)
        for step in order.steps(record.sha256, view.lengths, progress.cursors[record.id], recipe):
            batches = self.hero.batches(view, step.samples, trainer.packed)
            self.black_box.enter(record.id, order.samples_done(progress.cursors[record.id], len(view)))
            result = trainer.train(batches)
            self.black_box.leave()
            if not result.finite:
                raise self._not_finite(result.loss, view, step)
            progress.count(record, step, result)
            done = order.samples_done(step.after, len(view))
            if (begun := time.monotonic()) > show_at:
                self.reporter.show_sample(self.lender.answered(view, int(step.samples[0])))
                cost = time.monotonic() - begun
                show_at = begun + max(SAMPLE_SECONDS, cost / SAMPLE_SHARE)
            self.reporter.stepped(
                result, len(step.samples), step=progress.step, samples_done=done, samples_total=total,
                epoch=done / len(view), gpu_memory=trainer.gpu_memory,
            )  # fmt: skip
            if done < total:
                if self.campaign.save_if_due(record):
                    self.lender.at_checkpoint(record)
                self.obedience.obey(record)

    def _rehearse_longest(self, view: TokenView) -> None:
        """Try the longest batch there can be before a step counts, so that a GPU that is too small says so at once."""
        longest = int(view.lengths.max())
        if longest <= self.longest_tried or self.campaign.trainer.device.type != "cuda":
            return
        recipe = self.hero.config.recipe
        worst = view.lengths.argsort()[::-1][: recipe.batch_samples]
        first = next(order.steps("rehearsal", view.lengths[worst], Cursor("", 0, 0, 0), recipe))
        self.campaign.trainer.rehearse(
            self.hero.batches(view, worst[: len(first.samples)], self.campaign.trainer.packed)
        )
        self.longest_tried = longest

    def _not_finite(self, loss: float, view: TokenView, step: Step) -> QuestOver:
        """A loss that is no number has spoiled the weights: back to the last good checkpoint; the quest fails."""
        at_step = self.campaign.trainer.step
        lines = sorted(view.line(int(index)) for index in step.samples)
        shown = ", ".join(map(str, lines[:50])) + ("…" if len(lines) > 50 else "")
        self.campaign.roll_back()
        self.campaign.tell("loss_not_finite", at_step=at_step, lines=lines[:50])
        kind = "NaN" if math.isnan(loss) else f"{loss:g}"
        return QuestOver("failed", f"loss or gradient is not finite (loss {kind}) at step {at_step}; lines {shown}")

    # -- ends ------------------------------------------------------------------------------------------------

    def _complete(self, file: QuestFile, record: QuestRecord) -> None:
        """All samples are trained: checkpoint first, then the quest's end."""
        self.campaign.save("quest_end", record, finished=[self.campaign.progress.finish(record)])
        self._file_completed(file)

    def _file_completed(self, file: QuestFile) -> None:
        record = self._file_end(file, "completed", "")
        keep = self.realm.config.board.keep_completed
        self.patience.persist(lambda: self.board.trim_completed(keep))
        self.campaign.tell("quest_done", quest=record.id, file=record.name)
        log.info("quest %s completed at step %d", record.id, self.campaign.progress.step)

    def _file_end(self, file: QuestFile, outcome: str, reason: str) -> QuestRecord:
        hero, step = self.hero.id, self.campaign.progress.step
        record = self.patience.persist(lambda: self.board.end(file, outcome, reason, hero=hero, step=step))
        if outcome != "held":
            tokens.drop(self.realm, record.sha256)
        return record

    def _end(self, file: QuestFile, over: QuestOver) -> None:
        """File a quest that ends before its last sample."""
        if over.outcome == "skipped":
            self.campaign.save("skip", self.current[1] if self.current else None)
        self.campaign.progress.drop(file.id)
        record = self._file_end(file, over.outcome, over.reason)
        log.warning("quest %s (%s) %s: %s", record.id, record.name, over.outcome, over.reason)
        self.campaign.tell(f"quest_{over.outcome}", quest=record.id, file=record.name, reason=over.reason)
        if over.flag is not None:
            self.flags.lower("skip")
            self.reporter.acknowledge("skip", over.flag, note=f"quest {record.id}")

    def _out_of_memory(self, file: QuestFile, error: BaseException) -> None:
        """The machine's failure, not the quest's: back to the last checkpoint, and again."""
        done = self.reporter.status.samples_done
        reason = f"out of memory: {str(error).splitlines()[0][:200]}" if str(error) else "out of memory"
        machine.free_cached_memory(self.campaign.trainer.device)
        self.campaign.roll_back()
        self._machine_failed(file, done, reason)

    def _machine_failed(self, file: QuestFile, cursor: int, reason: str) -> None:
        """Count it; the third time at one cursor the quest is held, and the next one goes on."""
        record = self.board.record(file.id)
        failures = record.failures + 1 if record.failed_cursor == cursor else 1
        self.patience.persist(lambda: self.board.update(file.id, failures=failures, failed_cursor=cursor))
        log.warning("failure %d of %d of the machine at quest %s: %s", failures, MACHINE_FAILURES, file.id, reason)
        self.campaign.tell("machine_failure", quest=file.id, count=failures, reason=reason)
        if failures >= MACHINE_FAILURES:
            text = f"held after {failures} failures of the machine at sample {cursor}: {reason}"
            self._file_end(file, "held", text)
            self.campaign.tell("quest_held", quest=file.id, file=record.name, reason=text)
