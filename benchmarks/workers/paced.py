"""The real battle, held still between turns at the place where it looks at its flags."""

from __future__ import annotations

from benchmarks.workers.channel import Channel, Pacer
from realm_arena.battle import Battle
from realm_arena.obedience import Obedience
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord


class PacedObedience(Obedience):
    """Looks at the flags as always, then waits for its turn."""

    def __init__(self, real: Obedience, pacer: Pacer) -> None:
        super().__init__(real.flags, real.campaign, real.patience, real.reporter)
        self.pacer = pacer

    def obey(self, quest: QuestRecord | None) -> None:
        super().obey(quest)
        if quest is not None:
            self.pacer.turn(self.campaign.progress.tokens_seen)


class PacedBattle(Battle):
    """A battle that trains when it is asked to."""

    def __init__(self, realm: Realm, channel: Channel) -> None:
        super().__init__(realm, Manager.of(realm), until_empty=True)
        self.channel = channel

    def _serve(self) -> None:
        self.obedience = PacedObedience(self.obedience, Pacer(self.channel))
        trainer = self.campaign.trainer
        record = next(self.board.records())
        self.channel.answer(
            counts=[record.samples, record.tokens, record.trained_tokens], packed=trainer.packed,
            parameters=sum(weight.numel() for weight in trainer.parameters),
        )  # fmt: skip
        super()._serve()
