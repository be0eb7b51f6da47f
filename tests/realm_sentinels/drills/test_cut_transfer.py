"""A transfer that is cut goes on; what a drill shows while it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from helpers import Run


def test_a_cut_transfer_recovers(drill: Callable[[str], None]) -> None:
    drill("cut-transfer")


def test_a_drill_shows_its_plan_then_each_step_with_evidence_in_80_columns(run: Run, places: Path) -> None:
    done = run("drill", "cut-transfer", "--keep")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].startswith("plan 1  found a small realm")
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("ok      every file is the same (") for line in lines)
    assert lines[-1].startswith("cut-transfer: recovered, in ")
    (kept,) = places.glob("realm-drill-*")
    assert done.err.startswith(f"the throw-away realm is in {kept}")
    assert (kept / "realm" / "configs" / "realm.yaml").is_file()
    assert not (kept / "realm" / "configs" / "hosts.yaml").exists()
