"""One of several processes at a realm's board: adds, accepts or claims on request.

`limit_add` and `limit_claim` do what any board that survives a power cut has to do for one quest, and nothing else:
add = write the data beside, fsync it, rename it into the queue, fsync the folder; claim = rename it into the next
folder, fsync that folder.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import sys
from pathlib import Path
from typing import Any

from benchmarks.workers.channel import Channel
from realm_cli import intake, store
from realm_cli.manager import Manager
from realm_cli.quests import Board, Incoming
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord, now

BATCH = intake.BATCH
PROFILED = 15
Facts = dict[str, Any]


class BoardWorker:
    """The work on one realm with the files that are this process's share."""

    def __init__(self, realm: Realm, files: list[Path]) -> None:
        self.realm = realm
        self.manager = Manager.of(realm)
        self.board = Board(realm)
        self.files = files
        self.incoming: list[Incoming] = []

    def add(self) -> Facts:
        """Everything that `realm quest add` does, with QUICK inspection."""
        outcomes = intake.add(self.realm, self.manager, self.files, depth="quick")
        return {"ids": [outcome.record.id for outcome in outcomes if outcome.record and not outcome.problem]}

    def prepare(self) -> Facts:
        """Files that lie in `.intake`, hashed and with their records, so that `accept` can be measured alone."""
        self.incoming = []
        for path in self.files:
            data = path.read_bytes()
            place = self.realm.intake / path.name
            place.write_bytes(data)
            store.sync_file(place)
            record = QuestRecord(
                id="", number=0, name=path.name, sha256=store.sha256_file(place), size=len(data), added_at=now()
            )  # fmt: skip
            self.incoming.append(Incoming(place, record))
        return {}

    def accept(self) -> Facts:
        """`Board.accept` in batches as intake makes them."""
        records = []
        for start in range(0, len(self.incoming), BATCH):
            records += self.board.accept(self.incoming[start : start + BATCH])
        return {"ids": [record.id for record in records]}

    def claim(self) -> Facts:
        """Claim until nothing is left."""
        ids = []
        while (file := self.board.claim()) is not None:
            ids.append(file.id)
        return {"ids": ids}

    def profile(self, work: str) -> Facts:
        """The costliest functions of one piece of work, by their own time."""
        profiler = cProfile.Profile()
        profiler.enable()
        getattr(self, work)()
        profiler.disable()
        rows = []
        for (file, _, function), (_, calls, own, _, _) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
            rows.append({"what": f"{Path(file).stem}.{function}".removeprefix("~."), "calls": calls, "seconds": own})
        return {"rows": sorted(rows, key=lambda row: -float(row["seconds"]))[:PROFILED]}

    def limit_add(self) -> Facts:
        """The least that makes a quest exist for good."""
        queue = self.realm.queue / "normal"
        for path in self.files:
            temp = queue / f".{path.name}.tmp"
            with open(temp, "wb") as file:
                file.write(path.read_bytes())
                file.flush()
                os.fsync(file.fileno())
            os.rename(temp, queue / path.name)
            store.sync_folder(queue)
        return {}

    def limit_claim(self) -> Facts:
        """The least that makes a claim hold for good; every process takes its own, so none is in another's way."""
        for path in self.files:
            os.rename(self.realm.queue / "normal" / path.name, self.realm.processing / path.name)
            store.sync_folder(self.realm.processing)
        return {}


def main(root: Path, source: Path, first: int, count: int) -> None:
    channel = Channel()
    worker = BoardWorker(Realm(root), sorted(source.iterdir())[first : first + count])
    channel.serve(
        add=worker.add, prepare=worker.prepare, accept=worker.accept, claim=worker.claim, profile=worker.profile,
        limit_add=worker.limit_add, limit_claim=worker.limit_claim,
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
