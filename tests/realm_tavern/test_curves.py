"""The chart's series: which rows count, how the file is followed, that no spike is hidden; and the drawings of it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from realm_cli import skillstate, store
from realm_cli.errors import UsageError
from realm_cli.realm import Realm
from realm_cli.skill_records import EvalLine, Mastery, SkillState
from realm_tavern import charts
from realm_tavern.curves import Curves, arguments, smoothed, thinned

HERO = "dio-mini"
BEGUN = 1_767_225_600.0
AT = "2026-01-01T00:00:05.000+00:00"


def lines_of(steps: Iterable[int], loss: float | None = None) -> bytes:
    """Rows as the battle writes them; the loss is the step's number unless given."""
    rows = [
        {
            "step": step, "loss": step if loss is None else loss, "norm": 0.3, "lr": 0.002, "trained": 20, "samples": 4,
            "s": 0.1, "quest": "0" * 12, "t": BEGUN + step,
        }
        for step in steps
    ]  # fmt: skip
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def metrics(realm: Realm) -> Path:
    return realm.metrics / f"{HERO}.jsonl"


def append(realm: Realm, content: bytes) -> None:
    with open(metrics(realm), "ab") as file:
        file.write(content)


def shown(curves: Curves, **changes: Any) -> dict[str, Any]:
    """The series with the page's defaults."""
    return curves.series(HERO, **{**arguments({}), **changes})


def eval_line(step: int, correct: int) -> dict[str, Any]:
    line = EvalLine(
        step=step, level=2, state="ok", correct=correct, size=10, closed=step > 5, set_sha256="0" * 12, at=AT
    )
    return line.to_dict()


@pytest.fixture
def examined(realm: Realm) -> Realm:
    """A realm with two evals and a mastered level."""
    store.write_atomic(metrics(realm), lines_of(range(1, 11)))
    path = skillstate.lines_path(realm, HERO, "bin")
    path.parent.mkdir(parents=True)
    store.append_line(path, eval_line(5, 4))
    store.append_line(path, eval_line(8, 9))
    mastery = Mastery(level=1, step=5, checkpoint="c", accuracy=0.9, interval=(0.8, 1.0), steps=[5], at=AT)
    state = SkillState(hero=HERO, skill="bin", level=2, mastered=[mastery])
    store.write_record(skillstate.state_path(realm, HERO, "bin"), state)
    return realm


# -- which rows count


def test_a_hero_without_metrics_has_an_empty_series(realm: Realm) -> None:
    series = shown(Curves(realm))
    assert (series["x"], series["smooth"], series["first"], series["last"]) == ([], [], None, None)
    assert not series["loading"]


def test_few_rows_are_shown_as_they_are(realm: Realm) -> None:
    store.write_atomic(metrics(realm), lines_of([1, 2, 3]))
    series = shown(Curves(realm), smoothing=0.0)
    assert series["x"] == [1, 2, 3]
    assert series["min"] == series["mean"] == series["max"] == series["smooth"] == [1, 2, 3]
    assert series["speed"] == [200, 200, 200]
    assert (series["first"], series["last"], series["count"]) == (1, 3, 3)


def test_of_two_rows_for_one_step_the_later_one_counts(realm: Realm) -> None:
    store.write_atomic(metrics(realm), lines_of(range(1, 101)) + lines_of(range(51, 111), loss=7.0))
    series = shown(Curves(realm))
    assert series["x"] == list(range(1, 111))
    assert series["mean"][50:] == [7.0] * 60
    assert series["mean"][:50] == list(range(1, 51))


def test_after_a_resume_what_was_trained_beyond_it_is_gone(realm: Realm) -> None:
    store.write_atomic(metrics(realm), lines_of(range(1, 101)) + lines_of(range(51, 61)))
    assert shown(Curves(realm))["last"] == 60


def test_thinned_rows_are_rows_like_others(realm: Realm) -> None:
    curves = Curves(realm)
    store.write_atomic(metrics(realm), lines_of(range(1, 41)))
    assert shown(curves)["count"] == 40
    averages = [{"step": step, "loss": 9.0, "steps": 10, "trained": 200, "s": 0.1, "t": BEGUN} for step in (10, 20)]
    thin = b"".join(msgspec.json.encode(row) + b"\n" for row in averages)
    store.write_atomic(metrics(realm), thin + lines_of(range(21, 41)))
    series = shown(curves)
    assert series["x"] == [10, 20, *range(21, 41)]
    assert series["mean"][:2] == [9.0, 9.0]


def test_unreadable_lines_are_passed_over_and_counted(realm: Realm) -> None:
    spoilt = b'{"step": 2, "loss"\n[1]\n\n{"step": "two", "loss": 1}\n\xff\xfe\n' + b"[" * 100_000 + b"\n"
    store.write_atomic(metrics(realm), lines_of([1]) + spoilt + lines_of([3]))
    series = shown(Curves(realm))
    assert (series["x"], series["skipped"]) == ([1, 3], 5)


def test_a_row_without_a_loss_is_no_point_and_no_fault(realm: Realm) -> None:
    store.write_atomic(metrics(realm), lines_of([1]) + b'{"step":2,"loss":null}\n' + lines_of([3]))
    series = shown(Curves(realm))
    assert (series["x"], series["skipped"]) == ([1, 3], 0)


# -- following the file


def test_what_is_appended_is_seen(realm: Realm) -> None:
    curves = Curves(realm)
    for steps in (range(1, 4), range(4, 5), range(5, 10)):
        append(realm, lines_of(steps))
        assert shown(curves)["x"] == list(range(1, steps.stop))


def test_a_half_written_line_waits_for_its_end(realm: Realm) -> None:
    curves = Curves(realm)
    whole = lines_of([1, 2])
    append(realm, whole[:-20])
    assert shown(curves)["x"] == [1]
    append(realm, whole[-20:-1])
    assert shown(curves)["x"] == [1]
    append(realm, b"\n")
    series = shown(curves)
    assert (series["x"], series["skipped"]) == ([1, 2], 0)


def test_a_replaced_file_is_read_anew(realm: Realm) -> None:
    curves = Curves(realm)
    store.write_atomic(metrics(realm), lines_of(range(1, 21)))
    assert shown(curves)["count"] == 20
    store.write_atomic(metrics(realm), lines_of(range(1, 41), loss=7.0))
    assert shown(curves)["mean"] == [7.0] * 40


def test_a_file_that_became_shorter_is_read_anew(realm: Realm) -> None:
    curves = Curves(realm)
    store.write_atomic(metrics(realm), lines_of(range(1, 21)))
    assert shown(curves)["count"] == 20
    metrics(realm).write_bytes(lines_of([1, 2], loss=7.0))
    assert shown(curves)["mean"] == [7.0, 7.0]


def test_a_file_that_is_gone_leaves_nothing(realm: Realm) -> None:
    curves = Curves(realm)
    store.write_atomic(metrics(realm), lines_of([1]))
    assert shown(curves)["x"] == [1]
    metrics(realm).unlink()
    assert shown(curves)["x"] == []


# -- buckets and smoothing


def test_buckets_hide_no_spike_in_50_000_rows(realm: Realm) -> None:
    content = lines_of(range(1, 30_000), loss=1.0) + lines_of([30_000], loss=99.0) + lines_of([30_001], loss=0.01)
    store.write_atomic(metrics(realm), content + lines_of(range(30_002, 50_001), loss=1.0))
    series = shown(Curves(realm), points=100)
    assert {len(series[name]) for name in ("x", "min", "mean", "max", "smooth", "speed")} == {100}
    assert (max(series["max"]), min(series["min"]), series["count"]) == (99.0, 0.01, 50_000)
    assert series["x"] == sorted(series["x"])
    assert series["x"][-1] == 50_000


def test_a_part_of_the_life_is_shown_by_step_and_by_time(realm: Realm) -> None:
    store.write_atomic(metrics(realm), lines_of(range(1, 101)))
    curves = Curves(realm)
    part = shown(curves, start=10.0, end=12.0)
    assert (part["x"], part["first"], part["last"]) == ([10, 11, 12], 1, 100)
    assert shown(curves, by="time", start=BEGUN + 99)["mean"] == [99, 100]
    assert shown(curves, start=12.0, end=10.0)["x"] == []
    assert shown(curves, start=200.0)["x"] == []


@pytest.mark.parametrize("weight", [0.0, 0.6, 0.99])
def test_the_smoothed_line_is_the_weighted_mean_of_all_values_so_far(weight: float) -> None:
    values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0]
    plain = []
    for end in range(1, len(values) + 1):
        weights = [weight ** (end - 1 - index) for index in range(end)]
        plain.append(sum(value * share for value, share in zip(values, weights, strict=False)) / sum(weights))
    assert smoothed(values, weight) == pytest.approx(plain, rel=1e-4)


def test_of_many_evals_evenly_chosen_ones_are_shown_and_the_last() -> None:
    rows = [{"step": step} for step in range(1000)]
    chosen = [row["step"] for row in thinned(rows, 10)]
    assert chosen == [99, 199, 299, 399, 499, 599, 699, 799, 899, 999]
    assert thinned(rows[:3], 10) == rows[:3]


def test_evals_come_with_interval_and_levels_with_their_step(examined: Realm) -> None:
    series = shown(Curves(examined))
    low, high = skillstate.wilson(4, 10)
    assert series["evals"][0] == {
        "skill": "bin", "level": 2, "step": 5, "x": 5.0, "accuracy": 0.4, "closed": False,
        "interval": [round(low, 4), round(high, 4)],
    }  # fmt: skip
    assert [one["closed"] for one in series["evals"]] == [False, True]
    assert series["levels"] == [{"skill": "bin", "level": 1, "step": 5, "x": 5.0}]
    assert shown(Curves(examined), by="time")["levels"][0]["x"] == BEGUN + 5


def test_a_series_is_plain_json(examined: Realm) -> None:
    series = shown(Curves(examined))
    assert msgspec.json.decode(msgspec.json.encode(series)).keys() == series.keys()


# -- the query


def test_a_query_without_arguments_asks_for_the_whole_life() -> None:
    assert arguments({}) == {"by": "step", "start": None, "end": None, "points": 400, "smoothing": 0.6}


def test_a_query_is_taken_as_it_is() -> None:
    given = {"by": "time", "start": "10", "end": "2e3", "points": "50", "smoothing": "0.9"}
    assert arguments(given) == {"by": "time", "start": 10.0, "end": 2000.0, "points": 50, "smoothing": 0.9}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("by", "epoch"), ("by", "<script>"), ("points", "1"), ("points", "1e9"), ("points", "nan"), ("points", "many"),
        ("smoothing", "1"), ("smoothing", "-0.1"), ("start", "inf"), ("end", "-inf"), ("start", "1; drop"),
    ],
)  # fmt: skip
def test_a_bad_argument_is_refused_with_what_is_allowed(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"^{name}: ") as refused:
        arguments({name: text})
    assert refused.value.hint


# -- the drawings


def test_the_drawings_are_whole_and_styled_by_classes_alone(examined: Realm) -> None:
    series = shown(Curves(examined))
    for drawing in (charts.loss_svg(series, log=True), charts.loss_svg(series, log=False), charts.evals_svg(series)):
        root = ElementTree.fromstring(drawing[: drawing.rindex("</svg>") + 6])
        assert root.get("role") == "img"
        assert (root.findtext("title") or "").strip()
        assert " style=" not in drawing
        assert "nan" not in drawing


def test_names_in_the_drawings_are_escaped(examined: Realm) -> None:
    series = shown(Curves(examined))
    hostile = '<script>alert("x")</script>'
    series = {**series, **{name: [{**one, "skill": hostile} for one in series[name]] for name in ("evals", "levels")}}
    assert "<script" not in charts.loss_svg(series, log=True) + charts.evals_svg(series)


@pytest.mark.parametrize("losses", [[0.0], [0.0, 0.0], [2.0], [2.0, 2.0], [0.0, 3.0], [1e-9, 1e9]])
def test_odd_losses_are_drawn(realm: Realm, losses: list[float]) -> None:
    store.write_atomic(metrics(realm), b"".join(lines_of([step], loss) for step, loss in enumerate(losses, 1)))
    series = shown(Curves(realm))
    for log in (True, False):
        assert charts.loss_svg(series, log=log).startswith("<svg")


def test_without_rows_the_drawings_say_so(realm: Realm) -> None:
    series = shown(Curves(realm))
    assert "nothing was trained" in charts.loss_svg(series, log=True)
    assert "No eval yet" in charts.evals_svg(series)
