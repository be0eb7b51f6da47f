"""The self-check: golden answers get the full score, echoes and empty replies do not, and all in bounded time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realm_cli.errors import SkillAwayError
from realm_cli.manager import Manager
from realm_cli.sampling import sample
from realm_gym import check, facts
from realm_gym.child import CHILD, Child
from realm_gym.records import GymRecord
from realm_gym.skill import GymSkill
from realm_gym.tasks import library_version, names


@pytest.mark.parametrize("task", ["count_bits", "caesar_cipher", "letter_jumble", "boxnet", "graph_color", "composite",
                                  "complex_arithmetic", "coin_flip"])  # fmt: skip
def test_a_task_is_found_as_it_was_found_for_the_file_of_the_plugin(task: str) -> None:
    assert check.check(CHILD, task) == facts.shipped().tasks[task]


def test_what_is_wrong_is_told_in_one_line() -> None:
    known = facts.shipped().tasks

    assert known["boxnet"].trouble == "level 1: it gives no golden answer"
    assert known["game_of_life_halting"].trouble == "level 1: its scorer gives an echo of the prompt the full score"
    assert known["coin_flip"].trouble == "level 1: its scorer gives the reply 0 the full score at 10 of 12 items"
    assert known["caesar_cipher"].levels == 2
    assert known["caesar_cipher"].ends == "level 3: AssertionError: rotation must be in range [1,25]"
    assert [task for task, found in known.items() if "\n" in found.trouble + found.ends] == []
    assert [task for task, found in known.items() if bool(found.trouble) == bool(found.sample)] == []


def test_a_scorer_that_takes_an_echo_for_right_is_found() -> None:
    assert check.check(CHILD, "game_of_life_halting") == facts.shipped().tasks["game_of_life_halting"]


def test_a_level_that_takes_too_long_ends_the_row_of_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "ITEM_SECONDS", 0.3)  # as if a machine were ten times slower: its board of 200 x 200

    found = check.check(CHILD, "game_of_life")

    assert 1 <= found.levels < 4
    assert found.ends == f"level {found.levels + 1}: it took more than 0.3 s of processor time"
    assert (found.trouble, found.category) == ("", "algorithmic")


def test_a_task_that_is_too_slow_at_every_level_is_unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "TASK_SECONDS", 0.02)

    found = check.check(CHILD, "puzzle24")

    assert found.trouble == "level 1: the check up to here takes more than 0.02 s of processor time"


def test_a_task_of_another_version_is_checked_at_its_first_use_and_only_then(unchecked: Path) -> None:
    skill = GymSkill("count_bits")
    assert (skill.trouble(), skill.max_level, skill.category) == ("", 5, "arithmetic")
    assert not unchecked.exists()

    assert len(sample(skill, 1, 3, 0, "train")) == 3

    kept = GymRecord.from_dict(json.loads(unchecked.read_text()), "here")
    assert (kept.library, list(kept.tasks)) == (library_version(), ["count_bits"])
    unchecked.write_text(unchecked.read_text().replace('"trouble": ""', '"trouble": "it is blue"'))
    with pytest.raises(SkillAwayError, match="'gym.count_bits' must not be used: it is blue"):
        sample(GymSkill("count_bits"), 1, 3, 0, "train")


def test_a_task_of_another_version_that_does_not_pass_is_refused_with_the_reason(unchecked: Path) -> None:
    assert "boxnet" in names()
    with pytest.raises(SkillAwayError, match="level 1: it gives no golden answer"):
        sample(Manager.load().skill("gym.boxnet"), 1, 3, 0, "train")
    assert GymSkill("boxnet").trouble().startswith("level 1: it gives no golden answer")


def test_a_cache_that_is_spoiled_or_cannot_be_written_harms_nothing(
    unchecked: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unchecked.parent.mkdir(parents=True)
    unchecked.write_text("{")
    assert len(sample(GymSkill("count_bits"), 1, 3, 0, "train")) == 3
    assert GymRecord.from_dict(json.loads(unchecked.read_text()), "here").tasks

    unchecked.unlink()
    unchecked.mkdir()
    unchecked.with_suffix(".lock").unlink()
    unchecked.with_suffix(".lock").mkdir()
    caplog.clear()
    facts.keep(
        library_version(), "count_bits", facts.shipped().tasks.get("count_bits") or check.check(CHILD, "count_bits")
    )
    assert "the self-check of gym.count_bits is not kept" in caplog.text


@pytest.mark.drill
def test_every_task_is_found_as_it_was_found_for_the_file_of_the_plugin() -> None:
    child = Child()
    try:
        found = {task: check.check(child, task) for task in names()}
    finally:
        child.close()
    known = facts.shipped().tasks
    # How far a task goes before it takes too long depends on the machine.
    slow = {task for task, one in found.items() if " s of processor time" in f"{one} {known[task]}"}
    assert {task: one for task, one in found.items() if one != known[task] and task not in slow} == {}
    assert len(slow) < 20
