from __future__ import annotations

import hashlib
import json
import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest

from helpers import environment, realm_line, wait_for
from realm_bin.skill import BinSkill
from realm_cli import __version__, intake
from realm_cli.errors import RefusedError
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.skills import split_of
from realm_guild.forge import default_seed, file_name, forge, held_out_rows, to_jsonl, training_rows

BIN = BinSkill()


def test_a_row_holds_the_chat_and_where_it_comes_from() -> None:
    row = next(row for row in training_rows(BIN, 1, 61, 0) if row["problem_key"] == "add(①①, ①)")
    assert row == {
        "messages": [
            {"role": "user", "content": "Compute: add(①①, ①)"},
            {"role": "assistant", "content": "add(①①, ①) = ①⓪⓪"},
        ],
        "skill": "bin",
        "level": 1,
        "problem_key": "add(①①, ①)",
    }


def test_the_bytes_of_a_quest_never_change() -> None:
    digest = hashlib.sha256(to_jsonl(training_rows(BIN, 3, 2_000, 7))).hexdigest()
    assert digest == "1a7aef916fa28b8d0ed91d8291e76564b8da7579d31ee200ac72dccd89dffe85"


def test_every_line_is_one_row_of_json() -> None:
    rows = training_rows(BIN, 6, 300, 1)
    lines = to_jsonl(rows).decode("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_held_out_rows_lie_on_the_other_side_of_the_split() -> None:
    held_out = {row["problem_key"] for row in held_out_rows(BIN, 8, 200, 0)}
    trained = {row["problem_key"] for row in training_rows(BIN, 8, 2_000, 0)}
    assert len(held_out) == 200
    assert {split_of("bin", key) for key in held_out} == {"eval"}
    assert not held_out & trained


def test_held_out_rows_of_a_closed_level_are_at_most_its_table() -> None:
    assert len(held_out_rows(BIN, 1, 500, 0)) == 61


def test_the_seed_that_nobody_named_is_fixed_by_what_is_forged() -> None:
    seeds = {default_seed(*quest) for quest in (("bin", 3, 100), ("bin", 3, 101), ("bin", 4, 100), ("sy", 3, 100))}
    assert len(seeds) == 4
    assert default_seed("bin", 3, 100) == default_seed("bin", 3, 100)


def test_the_name_of_a_quest_tells_what_it_holds() -> None:
    moment = datetime(2025, 11, 27, 14, 30, 5, tzinfo=timezone.utc)
    assert file_name("bin", 3, 2_000, moment) == "train_bin_level3_2000_20251127-143005.jsonl"


def test_a_forged_quest_is_on_the_board_with_its_provenance(realm: Realm) -> None:
    record = forge(realm, Manager.of(realm), BIN, 3, 200, 7, "high")
    assert re.fullmatch(r"train_bin_level3_200_\d{8}-\d{6}\.jsonl", record.name)
    assert (record.priority, record.samples) == ("high", 200)
    assert record.source == "forge bin level 3 count 200 seed 7"
    file = Board(realm).find(record.id)
    assert file is not None
    assert file.state == "high"
    assert file.path.read_bytes() == to_jsonl(training_rows(BIN, 3, 200, 7))


def test_the_provenance_tells_how_to_make_it_again_and_what_it_holds(realm: Realm) -> None:
    record = forge(realm, Manager.of(realm), BIN, 2, 300, 7)
    told = record.provenance
    assert (told["generator"], told["version"], told["split"], told["closed"]) == (
        "realm quest forge", __version__, "train", True
    )  # fmt: skip
    assert told["parameters"] == {"skill": "bin", "level": 2, "count": 300, "seed": 7, "difficulty": {}}
    assert told["counts"]["rows"] == sum(told["counts"]["kinds"].values()) == 300
    assert told["counts"]["problems"] == BIN.space(2)
    assert Board(realm).record(record.id).provenance == told


def test_the_same_quest_twice_is_refused_and_another_seed_named(realm: Realm) -> None:
    forge(realm, Manager.of(realm), BIN, 2, 50, 1)
    with pytest.raises(
        RefusedError, match=r"train_bin_level2_50_[0-9-]+\.jsonl: the same content is already quest"
    ) as caught:
        forge(realm, Manager.of(realm), BIN, 2, 50, 1)
    assert "--seed" in caught.value.hint
    assert Board(realm).counts()["normal"] == 1


def test_a_killed_forging_leaves_nothing_that_stays(realm: Realm, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    line = realm_line("quest", "forge", "--skill", "bin", "--level", "3", "--count", "20000", realm=realm)
    with subprocess.Popen(line, env={**environment(), "TMPDIR": str(temporary)}, stdout=subprocess.DEVNULL) as forging:
        wait_for(lambda: list(realm.intake.iterdir()), "the rows on their way to the board")
        forging.kill()
    assert len(list(realm.intake.iterdir())) == 1
    intake.take_inbox(realm, Manager.of(realm))
    assert [*temporary.iterdir(), *realm.intake.iterdir(), *Board(realm).files("normal")] == []
