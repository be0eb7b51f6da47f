"""How far the training has come: cursors of unfinished quests, counters, and what was trained since the last checkpoint."""

from __future__ import annotations

import msgspec

from realm_arena.order import Step
from realm_arena.trainer import StepResult
from realm_cli.checkpoint_records import Cursor, QuestShare, TrainerState
from realm_cli.questfiles import QuestFile
from realm_cli.records import QuestRecord


class Progress:
    """The part of a checkpoint that is not tensors."""

    def __init__(self, state: TrainerState | None = None) -> None:
        state = state or TrainerState(step=0, tokens_seen=0, samples_seen=0)
        self.step = state.step
        self.tokens_seen = state.tokens_seen
        self.samples_seen = state.samples_seen
        self.smoothed_loss = state.smoothed_loss
        self.cursors = {cursor.quest: cursor for cursor in state.cursors}
        self.shares: dict[str, QuestShare] = {}
        self.losses: list[float] = []

    def cursor(self, file: QuestFile) -> Cursor:
        """Where to go on with a quest; at its beginning when it is new or was retried."""
        known = self.cursors.get(file.id)
        if known is None or known.number != file.number:
            known = Cursor(quest=file.id, number=file.number, epoch=0, samples=0)
            self.cursors[file.id] = known
        return known

    def count(self, record: QuestRecord, step: Step, result: StepResult) -> None:
        """Note one trained step."""
        self.step += 1
        self.cursors[record.id] = step.after
        self.tokens_seen += result.trained_tokens
        self.samples_seen += len(step.samples)
        self.losses.append(result.loss)
        share = self._share(record)
        self.shares[record.id] = msgspec.structs.replace(share, samples=share.samples + len(step.samples))

    def finish(self, record: QuestRecord) -> Cursor:
        """The quest has no sample left; its last cursor."""
        self.shares[record.id] = msgspec.structs.replace(self._share(record), completed=True)
        return self.cursors.pop(record.id)

    def drop(self, quest: str) -> None:
        """The quest ended otherwise."""
        self.cursors.pop(quest, None)

    def _share(self, record: QuestRecord) -> QuestShare:
        return self.shares.get(record.id) or QuestShare(record.id, record.name, record.sha256, 0, False)

    @property
    def mean_loss(self) -> float | None:
        """Mean training loss since the last checkpoint."""
        return sum(self.losses) / len(self.losses) if self.losses else None

    def state(self, finished: list[Cursor], smoothed_loss: float | None, threads: int) -> TrainerState:
        """For the checkpoint that is being saved."""
        begun = [cursor for cursor in self.cursors.values() if cursor.samples or cursor.epoch]
        return TrainerState(
            step=self.step, tokens_seen=self.tokens_seen, samples_seen=self.samples_seen, cursors=begun,
            finished=finished, smoothed_loss=smoothed_loss, threads=threads,
        )  # fmt: skip

    def saved(self) -> None:
        """A checkpoint holds all of this; the next one tells what comes after it."""
        self.shares, self.losses = {}, []
