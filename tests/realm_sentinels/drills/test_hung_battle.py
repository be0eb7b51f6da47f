"""A battle that hangs is started again, unless nobody may."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from helpers import Run
from realm_cli.realm import Realm


def test_a_hung_battle_recovers(drill: Callable[[str], None]) -> None:
    drill("hung-battle")


def test_a_drill_fails_where_the_guardian_may_not_start_battles_again(run: Run, realm: Realm, places: Path) -> None:
    text = realm.config_file.read_text()
    realm.config_file.write_text(text.replace("restart: true", "restart: false"))
    done = run("drill", "hung-battle")
    assert done.code == 1
    assert "FAILED  it is started again and goes on" in done.out
    assert done.err == (
        "error: hung-battle: not recovered: the battle was not started again: guardian.restart is false\n"
    )
    assert list(places.glob("realm-drill-*")) == []
