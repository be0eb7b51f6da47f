"""The vault as background work: retention, scan, lineage."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from helpers import Run
from realm_cli import store
from realm_cli.checkpoint_records import LedgerRecord, QuestShare
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.zones import zones_file
from realm_vault import tasks
from realm_vault_boxes import HERO, make_checkpoint


def test_retention_follows_the_realm_s_rules(realm: Realm, run: Run) -> None:
    for step in (100, 200, 300):
        make_checkpoint(realm, step)
    assert tasks.nothing_to_keep_by(realm) == "no rules for the realm: keep in configs/zones.yaml"
    zones_file(realm).write_text("keep: {checkpoint: {last: 2}}\n")
    assert tasks.nothing_to_keep_by(realm) == ""

    said = run("task", "run", "checkpoint_cleanup").out

    assert said == "checkpoint_cleanup: 1 of 1 copies that no rule keeps went to the trash\n"
    assert sorted(path.name.split("-")[1] for path in realm.hero_folder().glob("checkpoint-*")) == ["200", "300"]
    assert [row["asset"] for row in run("vault", "restore", "--json").json] == [f"checkpoint_{HERO}_100"]


def test_a_scan_tells_what_every_zone_holds_and_which_is_away(realm: Realm, run: Run) -> None:
    make_checkpoint(realm, 100)
    zones_file(realm).write_text(f"zones: {{usb: {{type: local, root: {realm.root.parent / 'not there'}}}}}\n")

    said = run("task", "run", "vault_scan").out

    assert said.startswith("vault_scan: local: ")
    assert "; usb: " in said
    assert run("vault", "locate", f"checkpoint_{HERO}_100", "--json").json["found"]


@pytest.fixture
def family(realm: Realm) -> Realm:
    """Steps 100, 200 (deleted), 300 and 400, each a child of the one before."""
    parent = ""
    for step in (100, 200, 300, 400):
        make_checkpoint(realm, step)
        ledger = Ledger(realm, HERO)
        record = ledger.get(step)
        share = QuestShare(
            id="a" * 12 if step < 300 else f"{step:012}", sha256="0" * 64, name="q", samples=step, completed=step > 100
        )
        changed: LedgerRecord = msgspec.structs.replace(record, parent=parent, quests=[share])
        store.write_record(ledger.folder / f"{step}.json", changed)
        parent = record.canonical_name
    return realm


def lineage(realm: Realm) -> list[tuple[int, str, list[tuple[str, int, bool]], bool]]:
    data: Any = json.loads((realm.status / "lineage.json").read_text())
    return [
        (
            one["step"], one["parent"].split("-")[1] if one["parent"] else "",
            [(quest["id"], quest["samples"], quest["completed"]) for quest in one["quests"]], one["is_whole"],
        )
        for one in data["checkpoints"]
    ]  # fmt: skip


def test_the_lineage_names_the_quests_of_every_kept_checkpoint(family: Realm, run: Run) -> None:
    Ledger(family, HERO).bury(200, "test")
    same = "a" * 12

    said = run("task", "run", "lineage_report").out

    assert said == f"lineage_report: 3 checkpoints of {HERO} are made of 3 quests: status/lineage.json\n"
    assert lineage(family) == [
        (400, "300", [(f"{400:012}", 400, True)], True),
        (300, "100", [(f"{300:012}", 300, True), (same, 200, True)], True),
        (100, "", [(same, 100, False)], True),
    ]  # fmt: skip
    assert tasks.nothing_new(family) == "the ledger has not changed since the last report"
    make_checkpoint(family, 500)
    assert tasks.nothing_new(family) == ""


def test_an_ancestor_without_a_record_is_told(family: Realm) -> None:
    (Ledger(family, HERO).folder / "300.json").unlink()
    for path in family.hero_folder().glob("checkpoint-300-*/.ledger.json"):
        path.unlink()

    tasks.report_lineage(family, Manager.of(family))

    assert [(step, whole) for step, _, _, whole in lineage(family)] == [(400, False), (200, True), (100, True)]


def test_without_a_checkpoint_there_is_nothing_to_report(realm: Realm) -> None:
    assert tasks.nothing_new(realm) == f"{HERO} has no checkpoint yet"
