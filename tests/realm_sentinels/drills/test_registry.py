"""The list of drills, and all of them again and again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from helpers import Run
from realm_sentinels.drills import registry


def test_the_drills_are_listed_and_an_unknown_one_is_named(run: Run) -> None:
    assert [row["name"] for row in run("drill", "--json").json] == [
        "kill-battle", "full-disk", "hung-battle", "dead-oracle", "cut-transfer",
    ]  # fmt: skip
    wrong = run("drill", "kil-battle")
    assert (wrong.code, "did you mean 'kill-battle'?" in wrong.err) == (4, True)
    for name in registry.TITLES:
        assert len(registry.plan_of(name)) >= 3


@pytest.mark.drill
@pytest.mark.parametrize("turn", range(5))
@pytest.mark.parametrize("name", list(registry.TITLES))
def test_every_drill_recovers_again_and_again(drill: Callable[[str], None], name: str, turn: int) -> None:
    drill(name)
