"""One battle over given quests from Python, the original's `TrainerEngine.run_job`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from realm_arena import spinning
from realm_cli import intake
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.errors import UsageError
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord


@dataclass(frozen=True)
class JobResult:
    """What a job did."""

    success: bool
    """Whether every quest of the job completed."""
    quests: list[QuestRecord]
    checkpoint: LedgerRecord
    """The newest checkpoint."""


class TrainerEngine:
    """Runs jobs in a realm, in this process."""

    def __init__(self, realm: Realm | None = None) -> None:
        self.realm = realm or Realm.find()

    def run_job(self, files: Sequence[str | Path], *, priority: str = "high") -> JobResult:
        """Queue `files`, train until the board is empty, and return what became of them."""
        spinning.settle()
        from realm_arena.battle import Battle

        if not files:
            raise UsageError("a job needs at least one quest file")
        manager = Manager.of(self.realm)
        records = intake.add_files(self.realm, manager, [Path(file) for file in files], priority=priority)
        Battle(self.realm, manager, until_empty=True).run()
        ended = [Board(self.realm).record(record.id) for record in records]
        success = all(record.outcome == "completed" for record in ended)
        return JobResult(success, ended, Ledger(self.realm).get_latest())
