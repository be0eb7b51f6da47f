"""What the battle does when a flag is up. Called after every step and in every waiting loop."""

from __future__ import annotations

from realm_arena.campaign import Campaign
from realm_arena.flags import NOTHING_IN_BATTLE, Flags, QuestOver
from realm_arena.manners import WHO
from realm_arena.patience import Patience
from realm_arena.reporter import Reporter
from realm_cli.records import FlagRecord, QuestRecord


class Obedience:
    """Carries out pause, save and skip; stop and skip of a quest leave by their exceptions."""

    def __init__(self, flags: Flags, campaign: Campaign, patience: Patience, reporter: Reporter) -> None:
        self.flags = flags
        self.campaign = campaign
        self.patience = patience
        self.reporter = reporter

    def obey(self, quest: QuestRecord | None) -> None:
        """Look at every flag; `quest` is the one in battle. Raises `Stop` or `QuestOver`."""
        self.flags.check_stop()
        self._save(quest)
        self._skip(quest)
        pause = self.flags.wanted("pause")
        if pause is not None:
            self._pause(pause, quest)

    def _save(self, quest: QuestRecord | None) -> None:
        flag = self.flags.wanted("save")
        if flag is not None:
            self.campaign.save("request", quest)
            self.flags.lower("save")
            checkpoint = self.campaign.checkpoint
            self.reporter.acknowledge("save", flag, note=checkpoint.name if checkpoint else "step 0 is the base model")

    def _skip(self, quest: QuestRecord | None) -> None:
        flag = self.flags.wanted("skip")
        if flag is None:
            return
        if quest is not None:
            raise QuestOver("skipped", flag.reason or "skipped by request", flag)
        self.flags.lower("skip")
        self.reporter.acknowledge("skip", flag, note=NOTHING_IN_BATTLE)

    def _pause(self, flag: FlagRecord, quest: QuestRecord | None) -> None:
        """Save, then hold still until the flag goes down; the other flags are obeyed meanwhile.

        Out of courtesy the GPU is given up first: a save takes longer than somebody's game should wait.
        """
        trainer = self.campaign.trainer
        if flag.release and flag.who == WHO:
            trainer.release_memory()
        self.campaign.save("pause", quest)
        if flag.release and not trainer.is_released:
            trainer.release_memory()
        reason = flag.reason or "paused by request"
        self.reporter.acknowledge("pause", flag, state="paused", reason=reason, gpu_memory=trainer.gpu_memory)
        self.campaign.tell("battle_paused", reason=reason)
        try:
            self._hold(flag, quest)
        except QuestOver:
            self._go_on(quest)
            raise
        self._go_on(quest)
        self.campaign.tell("battle_unpaused")

    def _go_on(self, quest: QuestRecord | None) -> None:
        """Take the GPU back. A stop goes without: its checkpoint is there, and the GPU may be in use."""
        if self.campaign.trainer.is_released:
            self.campaign.trainer.reclaim_memory()
        self.reporter.pause_clock()
        self.reporter.change(state="training" if quest else "starting", reason="")

    def _hold(self, seen: FlagRecord, quest: QuestRecord | None) -> None:
        while (flag := self.flags.wanted("pause")) is not None:
            if flag.when != seen.when:
                seen = flag
                self.reporter.acknowledge("pause", flag, note="it was paused already")
            self.flags.check_stop()
            self._save(quest)
            self._skip(quest)
            self.patience.rest()
