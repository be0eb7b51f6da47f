"""SIGKILL of the guild: before every single change of the disk, and of a real battle that forges, evaluates and saves."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers import PATIENCE, BattleProcess, SmallDisk, rows, wait_for, write_rows
from realm_cli import checkpoints, intake, status
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_guild_heroes import HERO, FakeBattle, checkpoint, set_yaml, story, tune
from realm_guild_kills import assert_all_equal, at_every_change


@pytest.fixture
def small(realm: Realm) -> Realm:
    """Quests and eval sets of a few rows."""
    tune(realm, forge={"samples": {1: 20}}, eval={"size": 5})
    write_rows(realm.path(realm.config.training.held_out), rows(3))
    return Realm(realm.root)


def test_evals_a_level_up_and_a_crown_killed_at_every_change(small: Realm, tmp_path: Path) -> None:
    battle = FakeBattle(small)
    battle.callback.on_empty_board(battle)  # it will be stale
    intake.add_files(small, Manager.of(small), [write_rows(tmp_path / "mine.jsonl", rows(3))])
    for step in (1, 2):
        battle.stands_at(step)
    checkpoint(small, 3)
    stories = at_every_change(small, tmp_path, "battle.stands_at(3)")
    assert stories[-1]["state"]["level"] == 2
    assert stories[-1]["champion"]["step"] == 3
    assert stories[-1]["pending"] == []
    assert [file[0] for file in stories[-1]["board"]["low"]] == ["train_bin_level1_no1.jsonl"]
    assert_all_equal(stories, 40)


def test_a_forge_killed_at_every_change(small: Realm, tmp_path: Path) -> None:
    FakeBattle(small).stands_at(1)
    work = "Board(realm).files('normal') or battle.callback.on_empty_board(battle)"
    stories = at_every_change(small, tmp_path, work)
    assert stories[-1]["state"]["forged"] == 1
    assert stories[-1]["board"]["normal"] == [
        ["train_bin_level1_no1.jsonl", f"forge hero {HERO} bin level 1 counter 1"]
    ]
    assert_all_equal(stories, 10)


# -- a real battle -------------------------------------------------------------------------------------------------


@pytest.fixture
def prepared(realm: Realm) -> Realm:
    """A realm in which the first levels are mastered within seconds: small quests, a low bar."""
    tune(realm, forge={"samples": {1: 400}}, eval={"threshold": 0.25})
    set_yaml(realm.config_file, "save_steps: 1000", "save_steps: 20")
    return Realm(realm.root)


ORDERS = ("--forge", "--until", "bin=2")


def told(realm: Realm) -> dict[str, Any]:
    """All that must not depend on kills."""
    latest = Ledger(realm).get_latest()
    state = checkpoints.open_checkpoint(realm.hero_folder() / latest.canonical_name).state()
    seen = story(realm)
    for entry in seen["journal"]:
        entry["facts"].pop("attempt", None)
        entry["facts"].pop("checkpoint", None)  # its name holds the time
    for mastery in seen["state"]["mastered"]:
        mastery.pop("checkpoint")
    for result in seen["results"].values():
        result.pop("checkpoint")
    if seen["champion"]:
        seen["champion"].pop("checkpoint")
    return {
        **seen,
        "weights": latest.weights_sha256,
        "seen": (state.step, latest.samples_seen, latest.tokens_seen, state.cursors),
        "counts": Board(realm).counts(),
    }


def killed(realm: Realm, moment: Callable[[BattleProcess], object]) -> None:
    """Start a battle, wait for the moment, kill it."""
    battle = BattleProcess(realm, *ORDERS)
    moment(battle)
    assert battle.process.poll() is None, battle.output()
    battle.kill()


def test_a_battle_killed_while_it_forges_evaluates_saves_and_trains_ends_as_if_it_was_not(
    prepared: Realm, tmp_path: Path
) -> None:
    calm = Realm(tmp_path / "calm")
    shutil.copytree(prepared.root, calm.root, symlinks=True)
    uninterrupted = BattleProcess(calm, *ORDERS)
    assert uninterrupted.wait() == 0, uninterrupted.output()
    killed(prepared, lambda battle: wait_for(lambda: "forged" in battle.output(), "a forged quest"))
    killed(prepared, lambda battle: battle.until("evaluating", step=20))
    killed(prepared, lambda battle: battle.until("training", step=30))
    killed(prepared, lambda battle: battle.until("saving", step=41))
    finishing = BattleProcess(prepared, *ORDERS)
    assert finishing.wait() == 0, finishing.output()
    expected, seen = told(calm), told(prepared)
    assert expected["state"]["level"] >= 2
    for name, value in expected.items():
        assert seen[name] == value, name


def step_of(realm: Realm) -> int:
    """The battle's last written step."""
    seen = status.read(realm)
    return seen.step if seen else -1


def is_doing(realm: Realm, state: str, after: int) -> bool:
    """Whether the battle's status shows that state at a later step."""
    seen = status.read(realm)
    return seen is not None and seen.state == state and seen.step > after


def test_a_disk_that_fills_up_while_it_forges_evaluates_and_saves_changes_nothing_in_the_end(
    prepared: Realm, small_disk: SmallDisk
) -> None:
    there = small_disk.holding(prepared)
    step = -1
    with small_disk.battle(*ORDERS) as battle:
        wait_for(lambda: status.read(there), "the battle to begin")  # and to forge
        for waits, state in enumerate(("", "evaluating", "training", "evaluating"), 1):
            if state:
                wait_for(functools.partial(is_doing, there, state, step), f"{state} after step {step}")
            small_disk.fill()
            wait_for(functools.partial(small_disk.has_waited, waits), "the battle to wait")
            assert battle.poll() is None, small_disk.output()
            step = step_of(there)
            small_disk.free()
        assert battle.wait(timeout=PATIENCE) == 0, small_disk.output()[-3000:]
    uninterrupted = BattleProcess(prepared, *ORDERS)
    assert uninterrupted.wait() == 0, uninterrupted.output()
    assert "Traceback" not in small_disk.output()
    expected, seen = told(prepared), told(there)
    for name, value in expected.items():
        assert seen[name] == value, name
