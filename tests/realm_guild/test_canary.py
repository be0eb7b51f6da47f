"""The canary: an accuracy that contradicts the loss is flagged, others are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from realm_cli import skillstate, store
from realm_cli.checkpoint_records import QuestShare
from realm_cli.config import Depth
from realm_cli.intake import add_files
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_guild import requests
from realm_guild.forge import to_jsonl
from realm_guild.records import EvalRequest
from realm_guild_heroes import (
    HERO,
    checkpoint,
    events,
    examined,
    first,
    nothing,
)


def trained_on(realm: Realm, tmp_path: Path, levels: list[int], loss: float, depth: Depth = "standard") -> None:
    """A checkpoint whose ledger says that a forged quest of these levels was trained to that loss."""
    rows = [
        {
            "messages": [{"role": "user", "content": f"Compute: {n}"}, {"role": "assistant", "content": f"{n} = {n}"}],
            "skill": "bin", "level": level, "problem_key": str(n),
        }
        for n, level in enumerate(levels)
    ]  # fmt: skip
    path = tmp_path / "train.jsonl"
    path.write_bytes(to_jsonl(rows))
    source = f"forge hero {HERO} bin level {max(levels)} counter 1"
    (quest,) = add_files(realm, Manager.of(realm), [path], source=source, depth=depth)
    share = QuestShare(quest.id, quest.name, quest.sha256, len(levels), True)
    checkpoint(realm, 5, train_loss=loss, skill_level=quest.level, quests=[share])


@pytest.mark.parametrize("levels", [[1] * 20, [1] * 6 + [2] * 14], ids=["one level", "with replay"])
@pytest.mark.parametrize(
    ("loss", "right", "word"),
    [(0.001, 10, "template and judge"), (3.0, 45, "hold the answer")],
    ids=["knows but fails", "knows nothing but succeeds"],
)
def test_an_accuracy_against_the_loss_is_flagged_with_three_samples(
    realm: Realm, tmp_path: Path, levels: list[int], loss: float, right: int, word: str
) -> None:
    trained_on(realm, tmp_path, levels, loss)
    result = examined(realm, 5, level=max(levels), knows=first(right))
    assert word in result.flagged
    (event,) = events(realm, "eval_suspicious")
    assert event["reason"] == result.flagged
    assert len(event["samples"]) == 3
    assert all(set(sample) == {"prompt", "expected", "reply"} for sample in event["samples"])
    assert [line.flagged for line in skillstate.lines(realm, HERO, "bin")] == [result.flagged]


@pytest.mark.parametrize(
    ("loss", "right"), [(0.001, 45), (0.001, 15), (3.0, 5), (3.0, 39), (0.1, 0), (0.1, 50)]
)  # fmt: skip
def test_an_accuracy_that_the_loss_allows_is_not_flagged(realm: Realm, tmp_path: Path, loss: float, right: int) -> None:
    trained_on(realm, tmp_path, [1] * 20, loss)
    assert examined(realm, 5, knows=first(right)).flagged == ""
    assert events(realm, "eval_suspicious") == []


def test_a_level_that_was_not_trained_is_not_flagged(realm: Realm, tmp_path: Path) -> None:
    trained_on(realm, tmp_path, [1] * 20, 0.001)
    assert examined(realm, 5, level=2, knows=nothing).flagged == ""
    checkpoint(realm, 6, train_loss=None)
    assert examined(realm, 6, knows=nothing).flagged == ""


def test_a_quest_whose_tokens_nobody_counted_is_not_flagged(realm: Realm, tmp_path: Path) -> None:
    trained_on(realm, tmp_path, [1] * 20, 0.001, depth="quick")
    assert examined(realm, 5, knows=nothing).flagged == ""


def test_an_eval_goes_on_without_the_record_of_a_trained_quest(realm: Realm, tmp_path: Path) -> None:
    trained_on(realm, tmp_path, [1] * 20, 0.001)
    for path in [*realm.quest_records.iterdir(), *(realm.queue / "normal").iterdir()]:
        path.unlink()
    result = examined(realm, 5, knows=nothing)
    assert (result.state, result.flagged) == ("ok", "")


def test_requests_say_what_they_are_for(realm: Realm) -> None:
    path = requests.ask(realm, HERO, 5, "bin", 1, "training")
    assert store.read_record(path, EvalRequest).why == "training"
    assert Ledger(realm).steps() == []
