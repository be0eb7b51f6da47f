from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers import Run
from realm_cli import checkpoints, store
from realm_cli.checkpoint_records import LedgerRecord, QuestShare
from realm_cli.errors import NotFoundError, UsageError
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm

SHA = "ab" * 32
KEYS = {"hero", "step", "name", "path", "train_loss", "val_loss", "weights_sha256", "quests"}


def name_of(step: int) -> str:
    return f"checkpoint-{step}-20251127-1430"


def entry(step: int, parent: int = 0, quest: str = "q1", **facts: Any) -> LedgerRecord:
    share = QuestShare(id=quest, name=f"{quest}.jsonl", sha256=SHA, samples=10, completed=step % 200 == 0)
    return LedgerRecord(
        hero="dio-mini", step=step, canonical_name=name_of(step), weights_sha256=SHA,
        parent=name_of(parent) if parent else "", created_at=f"2025-11-27T14:{step // 100:02d}:00+00:00",
        quests=[share], **{"train_loss": 1 / step, **facts},
    )  # fmt: skip


@pytest.fixture
def ledger(realm: Realm) -> Ledger:
    """Checkpoints 100, 200 and 300, each with a folder and its mirror."""
    made = Ledger(realm)
    for record in (entry(100), entry(200, 100, "q2", val_loss=0.5), entry(300, 200, "q2", val_loss=0.5)):
        folder = realm.hero_folder() / record.canonical_name
        folder.mkdir(parents=True)
        store.write_record(folder / checkpoints.LEDGER_MIRROR, record)
        made.record(record)
    return made


def test_what_was_recorded_is_read_newest_first(ledger: Ledger) -> None:
    assert [record.step for record in ledger.list_all()] == [300, 200, 100]
    assert [record.step for record in ledger.list_all(2)] == [300, 200]
    assert ledger.get(200) == entry(200, 100, "q2", val_loss=0.5)
    assert ledger.get_latest().step == 300


def test_the_best_is_the_lowest_and_the_newest_of_equals(ledger: Ledger) -> None:
    assert ledger.get_best().step == 300
    assert ledger.get_best("val_loss").step == 300
    ledger.record(entry(400, 300, train_loss=9.0))
    assert ledger.get_best().step == 300
    with pytest.raises(UsageError, match="not a metric"):
        ledger.get_best("val_los")


def test_a_missing_step_names_the_nearest(ledger: Ledger) -> None:
    ledger.record(entry(900, 300))
    with pytest.raises(NotFoundError, match="has no checkpoint at step 210; near it: 100, 200, 300"):
        ledger.get(210)


def test_an_empty_ledger_says_so(realm: Realm) -> None:
    assert Ledger(realm).list_all() == []
    with pytest.raises(NotFoundError, match="has no checkpoint yet"):
        Ledger(realm).get_latest()


def test_a_deleted_checkpoint_leaves_its_tombstone_and_its_place_in_the_lineage(ledger: Ledger) -> None:
    whole = ledger.lineage(300)
    ledger.bury(200, "retention")
    ledger.bury(100, "retention")
    assert ledger.steps() == [300]
    with pytest.raises(NotFoundError, match=r"checkpoint 200 of dio-mini was deleted at .* \(retention\)"):
        ledger.get(200)
    assert ledger.lineage(300) == whole
    assert [(row["id"], row["samples"], row["first_step"], row["last_step"]) for row in whole] == [
        ("q1", 10, 100, 100),
        ("q2", 20, 200, 300),
    ]
    assert [record.step for record in ledger.saw("q2")] == [300, 200]


def test_a_record_that_is_its_own_forebear_does_not_hang(ledger: Ledger) -> None:
    ledger.record(entry(400, 400))
    assert len(ledger.lineage(400)) == 1


def test_a_damaged_record_is_rebuilt_from_the_checkpoint(ledger: Ledger, realm: Realm) -> None:
    path = ledger.folder / "200.json"
    path.write_text("{")
    assert ledger.get(200) == entry(200, 100, "q2", val_loss=0.5)
    assert store.read_record(path, LedgerRecord).step == 200
    assert len(list(ledger.folder.glob("200.json.corrupt-*"))) == 1
    path.write_text("{")
    assert [row["id"] for row in ledger.lineage(300)] == ["q1", "q2"]


def test_one_record_damaged_for_good_does_not_hide_the_rest(ledger: Ledger, realm: Realm) -> None:
    (realm.hero_folder() / name_of(300) / checkpoints.LEDGER_MIRROR).unlink()
    (ledger.folder / "300.json").write_text("{")
    assert ledger.get_latest().step == 200
    ledger.record(entry(300, 200))
    assert ledger.get_latest().step == 300


def test_a_step_saved_again_buries_the_older_record(ledger: Ledger) -> None:
    again = LedgerRecord(
        hero="dio-mini", step=300, canonical_name="checkpoint-300-20251127-1500", weights_sha256=SHA, created_at="x"
    )
    ledger.record(again)
    assert ledger.get(300) == again
    grave = ledger.tombstone(300)
    assert grave is not None
    assert grave.canonical_name == name_of(300)


def test_the_commands_print_json_with_stable_keys(ledger: Ledger, run: Run, realm: Realm) -> None:
    listed = run("ledger", "list", "--json").json
    assert [row["step"] for row in listed] == [300, 200, 100]
    for verb in (["latest"], ["show", "300"], ["show", name_of(300)], ["best"]):
        assert run("ledger", *verb, "--json").json == listed[0]
    assert set(listed[0]) >= KEYS
    assert "unknown" not in listed[0]
    assert listed[0]["path"] == str(realm.hero_folder() / name_of(300))
    assert [row["id"] for row in run("ledger", "lineage", "300", "--json").json] == ["q1", "q2"]
    assert [row["step"] for row in run("ledger", "lineage", "--quest", "q2", "--json").json] == [300, 200]
    assert name_of(300) in run("ledger", "list").out


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["show", "checkpoint-x"], 2, "'checkpoint-x' is not a checkpoint's name"),
        (["show", "²"], 2, "is not a checkpoint's name"),
        (["show", "310"], 4, "near it: 100, 200, 300"),
        (["best", "--metric", "val_los"], 2, "did you mean 'val_loss'?"),
        (["lineage"], 2, "name either a checkpoint or --quest"),
        (["list", "--hero", "nobody"], 4, "there is no hero 'nobody'"),
        (["list", "--hero", "../x"], 2, "cannot be a hero's id"),
    ],
)
def test_a_wrong_question_gets_its_exit_code(ledger: Ledger, run: Run, args: list[str], code: int, text: str) -> None:
    ran = run("ledger", *args)
    assert ran.code == code
    assert text in ran.err


@pytest.mark.parametrize("name", ["checkpoint", "checkpoint-", "checkpoint-12x", "12", "", "checkpoint-1-2025-1"])
def test_a_name_that_does_not_parse_is_an_error_and_never_step_0(name: str) -> None:
    with pytest.raises(UsageError):
        checkpoints.extract_step(name)


def test_a_step_is_read_from_names_and_paths() -> None:
    names = ["checkpoint-7", "checkpoint-7-20251127-1430", Path("/a/checkpoint-7-20251127-1430/")]
    assert [checkpoints.extract_step(str(name)) for name in names] == [7, 7, 7]
