"""Metrics: appended, thinned without dropping anything, the later row of a step wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from realm_arena import metrics
from realm_arena.trainer import learning_rate
from realm_cli.config import Recipe


def row(step: int, **more: object) -> dict[str, object]:
    return {"step": step, "loss": 1.0 / step, "lr": 0.001, "tokens": 0, "trained": 10, "samples": 2, "s": 0.5, **more}


def test_after_a_resume_the_later_row_of_a_step_wins(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    writer = metrics.MetricsWriter(path)
    for step in (1, 2, 3):
        writer.add(row(step))
    writer.flush()
    with open(path, "ab") as file:
        file.write(b'{"step": 4, "lo')  # torn by a kill
    resumed = metrics.MetricsWriter(path)
    resumed.add(row(3, loss=9.0))
    resumed.add(row(4, loss=8.0))
    resumed.flush()
    assert [(line["step"], line["loss"]) for line in metrics.read(path)] == [(1, 1.0), (2, 0.5), (3, 9.0), (4, 8.0)]


def test_thinning_keeps_every_step_in_the_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "THIN_AT", 200)
    path = tmp_path / "metrics.jsonl"
    writer = metrics.MetricsWriter(path)
    for step in range(1, 1001):
        writer.add(row(step))
        writer.flush()
    rows = metrics.read(path)
    assert len(rows) <= 200
    assert sum(line.get("steps", 1) for line in rows) == 1000
    assert sum(line["trained"] for line in rows) == 10_000
    assert rows[-1] == {**row(1000), "loss": pytest.approx(0.001)}
    mean = sum(line["loss"] * line.get("steps", 1) for line in rows) / 1000
    assert mean == pytest.approx(sum(1 / step for step in range(1, 1001)) / 1000)


def test_the_learning_rate_warms_up_holds_and_decays_with_the_inverse_square_root() -> None:
    recipe = Recipe(learning_rate=2e-3, warmup_steps=10, decay_after=100)
    rates = [learning_rate(step, recipe) for step in (1, 10, 100, 400, 10_000)]
    assert rates == pytest.approx([2e-4, 2e-3, 2e-3, 1e-3, 2e-4])
    assert learning_rate(10_000, Recipe(learning_rate=2e-3, warmup_steps=10)) == 2e-3
