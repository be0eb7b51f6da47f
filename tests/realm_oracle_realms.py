"""A small realm with real checkpoints, for tests of the Oracle's server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from helpers import BattleProcess, rows, write_rows
from realm_cli import champions, intake
from realm_cli.founding import found
from realm_cli.generation import Message
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.skill_records import ChampionRecord

STEPS = (2, 4, 5)
LONG = "say 1"
"""The hero, hardly trained, answers this without end."""


def configure(realm: Realm, **values: Any) -> None:
    """Set values in the section `oracle:` as a person would."""
    config = yaml.safe_load(realm.config_file.read_text())
    config["oracle"].update(values)
    realm.config_file.write_text(yaml.safe_dump(config))


def trained_realm(folder: Path) -> Realm:
    """A realm of one thread whose hero has checkpoints at the steps 2, 4 (the champion) and 5."""
    realm, _ = found(folder / "realm")
    text = realm.config_file.read_text()
    for old, new in (
        ("threads: null", "threads: 1"), ("reserve_mb: 500", "reserve_mb: 1"), ("save_steps: 1000", "save_steps: 2"),
        ("port: 8765", "port: 0"), ("device: auto", "device: cpu"),
    ):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    realm.config_file.write_text(text)
    realm = Realm(realm.root)
    intake.add_files(realm, Manager.of(realm), [write_rows(folder / "quest.jsonl", rows(80))])
    battle = BattleProcess(realm, "--until-empty")
    assert battle.wait() == 0, battle.output()
    ledger = Ledger(realm, "dio-mini")
    assert tuple(sorted(ledger.steps())) == STEPS
    record = ledger.get(4)
    champion = ChampionRecord(
        hero="dio-mini", step=4, checkpoint=record.canonical_name, weights_sha256=record.weights_sha256,
        promoted_at=now(), by="you",
    )  # fmt: skip
    champions.write(realm, champion)
    return realm


def turns(text: str) -> list[Message]:
    """A conversation of one message."""
    return [Message("user", text)]
