"""One battle over given quests from Python, the original's `TrainerEngine.run_job`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from realm_arena import spinning
from realm_cli import intake
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.errors import UsageError, nearest
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord


class JobConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a job trains. As a dictionary it has the same keys."""

    quests: list[Path]
    """Data files; they are copied to the board."""
    priority: Literal["high", "normal", "low"] = "high"
    again: bool = False
    """Whether content that the board has had already is trained once more."""


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

    def run_job(self, config: JobConfig | Mapping[str, Any] | Sequence[str | Path]) -> JobResult:
        """Queue the quests of `config`, or a list of files, train until the board is empty, and return what became of them."""
        job = _checked(config)
        spinning.settle()
        from realm_arena.battle import Battle

        manager = Manager.of(self.realm)
        records = intake.add_files(self.realm, manager, job.quests, priority=job.priority, again=job.again)
        Battle(self.realm, manager, until_empty=True).run()
        ended = [Board(self.realm).record(record.id) for record in records]
        success = all(record.outcome == "completed" for record in ended)
        return JobResult(success, ended, Ledger(self.realm).get_latest())


def _checked(config: JobConfig | Mapping[str, Any] | Sequence[str | Path]) -> JobConfig:
    """The job that is meant. Raises `UsageError`."""
    if isinstance(config, str | Path):
        raise UsageError(f"a job is a list of files or a configuration, not '{config}'", "put the file into a list")
    given = config if isinstance(config, JobConfig | Mapping) else {"quests": list(config)}
    if isinstance(given, Mapping):
        known = JobConfig.__struct_fields__
        for name in given:
            if name not in known:
                raise UsageError(f"a job has no '{name}'", nearest(str(name), known))
        try:
            given = msgspec.convert(dict(given), JobConfig, dec_hook=_as_path)
        except msgspec.ValidationError as error:
            raise UsageError(f"the job is not right: {error}", f"keys: {', '.join(known)}") from None
    if not given.quests:
        raise UsageError("a job needs at least one quest file", "name it in quests")
    return given


def _as_path(kind: type, value: Any) -> Path:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"a file's name is a text or a Path, not {value!r}")
