"""SIGKILL at any moment: the finished run equals, bit for bit, one that was never interrupted."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from helpers import BattleProcess, write_rows
from realm_arena import metrics
from realm_cli import checkpoints, intake, journal
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm

QUESTS = 8
ROWS = 240


def sums(count: int, seed: int) -> list[dict[str, Any]]:
    """Chat rows of different lengths, so that packing has something to do."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        terms = [rng.randrange(1000) for _ in range(rng.randrange(2, 9))]
        question = " + ".join(map(str, terms)) + f" ({seed}.{number})"
        rows.append(
            {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": str(sum(terms))}]}
        )
    return rows


@pytest.fixture
def prepared(realm: Realm, tmp_path: Path) -> Realm:
    """A board of small quests; packing and accumulation on, a save every few steps."""
    hero = realm.hero_file("dio-mini")
    hero.write_text(hero.read_text().replace("micro_batch_tokens: 4096", "micro_batch_tokens: 300"))
    config = realm.config_file
    config.write_text(config.read_text().replace("save_steps: 1000", "save_steps: 6"))
    write_rows(realm.data / "validation" / "held_out.jsonl", sums(20, 99))
    files = [write_rows(tmp_path / "quests" / f"q{n}.jsonl", sums(ROWS + n, n)) for n in range(QUESTS)]
    realm = Realm(realm.root)
    intake.add_files(realm, Manager.of(realm), files)
    return realm


def story(realm: Realm) -> dict[str, object]:
    """Everything that must not depend on how often the battle was killed."""
    latest = Ledger(realm).get_latest()
    state = checkpoints.open_checkpoint(realm.hero_folder() / latest.canonical_name).state()
    rows = metrics.read(metrics.path_of(realm, "dio-mini"))
    ends = [(line.quest, line.outcome) for line in journal.read(realm.journal)]
    return {
        "weights": latest.weights_sha256,
        "val_loss": latest.val_loss,
        "seen": (latest.samples_seen, latest.tokens_seen),
        "state": (state.step, state.cursors),
        "losses": [(row["step"], row["loss"], row["samples"]) for row in rows],
        "ends": ends,
        "board": Board(realm).counts(),
    }


def kill_and_finish(realm: Realm, kills: int, seed: int) -> None:
    """Kill the battle at random moments of its work, then let it finish."""
    rng = random.Random(seed)
    done = 0
    while done < kills:
        battle = BattleProcess(realm, "--until-empty")
        battle.until("training", "saving", "stopped")
        time.sleep(rng.uniform(0.0, 1.5))
        if battle.process.poll() is not None:
            break
        battle.kill()
        done += 1
    finishing = BattleProcess(realm, "--until-empty")
    assert finishing.wait() == 0, finishing.output()
    assert done >= min(kills, 3), "the run was over before it could be killed often enough"


def check(prepared: Realm, tmp_path: Path, kills: int, seed: int) -> None:
    calm = Realm(tmp_path / "calm")
    shutil.copytree(prepared.root, calm.root, symlinks=True)
    uninterrupted = BattleProcess(calm, "--until-empty")
    assert uninterrupted.wait() == 0, uninterrupted.output()
    kill_and_finish(prepared, kills, seed)
    expected = story(calm)
    assert expected["seen"][0] == sum(ROWS + n for n in range(QUESTS))  # type: ignore[index]
    assert expected["ends"] == [(end, "completed") for end, _ in expected["ends"]]  # type: ignore[attr-defined]
    assert story(prepared) == expected
    assert not list(prepared.hero_folder().glob(".saving-*"))


def test_a_battle_killed_five_times_ends_bit_identical(prepared: Realm, tmp_path: Path) -> None:
    check(prepared, tmp_path, 5, 1)


@pytest.mark.drill
@pytest.mark.parametrize("seed", range(2, 7))
def test_a_battle_killed_ten_times_ends_bit_identical(prepared: Realm, tmp_path: Path, seed: int) -> None:
    check(prepared, tmp_path, 10, seed)
