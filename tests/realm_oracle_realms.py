"""A small realm with real checkpoints, for tests of the Oracle's server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from helpers import BattleProcess, rows, write_rows
from realm_cli import intake
from realm_cli.founding import found
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm

STEPS = (2, 4, 5)
LONG = "say 1"
"""The hero, hardly trained, answers this without end."""


def configure(realm: Realm, **values: Any) -> None:
    """Set values in the section `oracle:` as a person would."""
    config = yaml.safe_load(realm.config_file.read_text())
    config["oracle"].update(values)
    realm.config_file.write_text(yaml.safe_dump(config))


def trained_realm(folder: Path) -> Realm:
    """A realm of one thread whose hero has checkpoints at the steps 2, 4 and 5."""
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
    assert tuple(sorted(Ledger(realm, "dio-mini").steps())) == STEPS
    return realm
