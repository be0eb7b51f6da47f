from __future__ import annotations

from pathlib import Path

import pytest

from realm_cli.founding import found
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.tasks import Task
from realm_sparring.tasks import BINARY, BINARY_LARGE, SY
from realm_sparring_heroes import Said, fought, wrong


@pytest.mark.parametrize(
    ("task", "figures"),
    [
        (BINARY, (9, "inference", 600, 1800, 1800, True)),
        (SY, (9, "inference", 900, 2700, 1800, False)),
        (BINARY_LARGE, (8, "inference", 2400, 7200, 7200, True)),
    ],
    ids=lambda value: value.id if isinstance(value, Task) else "",
)
def test_the_tasks_have_their_figures_and_are_offered(task: Task, figures: tuple[object, ...]) -> None:
    assert (task.priority, task.gpu, task.estimate_s, task.timeout_s, task.cooldown_s, task.enabled) == figures
    assert Manager.load().load_part("realm_tasks", task.id, "task") is task


def test_each_reason_for_not_sparring_is_told(realm: Realm, tmp_path: Path) -> None:
    empty, _ = found(tmp_path / "empty")
    assert BINARY.idle(empty) == "dio-mini has no checkpoint yet"
    (realm.skills / "sy.yaml").unlink()
    assert SY.idle(realm) == "there is no skill sy"
    assert BINARY.idle(realm) == BINARY_LARGE.idle(realm) == ""

    quest = fought(realm, Said(realm, wrong), count=100).run.quest
    waits = f"a sparring quest of bin waits already: {quest}"
    assert BINARY.idle(realm) == BINARY_LARGE.idle(realm) == waits
    Board(realm).cancel(quest, "no")
    assert BINARY.idle(realm) == "the newest checkpoint, step 100, has sparred bin already"
    assert BINARY_LARGE.idle(realm) == ""  # 500 problems were not asked yet


def test_the_task_spars_with_the_newest_checkpoint_and_says_what_came_of_it(realm: Realm) -> None:
    told = BINARY.run(realm, Manager.of(realm))
    (file,) = Board(realm).files("high")
    assert told.startswith("bin level 1, dio-mini at step 100: ")
    assert f"of 61 answers are wrong; quest {file.id} with " in told
