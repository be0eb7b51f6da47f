"""The picture and the lines of `realm play`, made from the files of a realm."""

# ruff: noqa: RUF001 - ranges are shown with an en dash
from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from rich.console import Console

from realm_cli import champions, phrases, skillstate, status, store
from realm_cli.events import emit
from realm_cli.eventtail import EventTail
from realm_cli.manager import Manager
from realm_cli.process import this_process
from realm_cli.realm import Realm
from realm_cli.records import EvalView, SampleView, TrainingStatus, now
from realm_cli.skill_records import ChampionRecord, EvalLine, Mastery
from realm_cli.statusview import render
from realm_cli.watchtower import gaze
from realm_guild import playlines, standing
from realm_guild.lessons import make_held_out
from realm_guild.play_records import PlayRecord
from realm_guild.playparts import course
from realm_guild.playscene import Scene, Watcher
from realm_guild.playview import picture

HERO = "dio-mini"


def _eval(realm: Realm, step: int, level: int, correct: int) -> None:
    line = EvalLine(
        step=step, level=level, state="ok", correct=correct, size=50, closed=level < 6, set_sha256="0" * 12, at=now()
    )
    path = skillstate.lines_path(realm, HERO, "bin")
    path.parent.mkdir(parents=True, exist_ok=True)
    store.append_line(path, line.to_dict())


def _mastery(level: int) -> Mastery:
    return Mastery(
        level=level, step=900, checkpoint="checkpoint-900", accuracy=0.88, interval=(0.82, 0.92), steps=[700, 800, 900],
        at=now(),
    )  # fmt: skip


@pytest.fixture
def lived(realm: Realm, manager: Manager) -> Realm:
    """A realm in which a hero has mastered two levels, lost one of them, and is in battle."""
    standing.change(realm, HERO, "bin", level=3, mastered=[_mastery(1), _mastery(2)])
    for step, level, correct in ((900, 1, 49), (900, 2, 31), (1000, 3, 35), (1100, 3, 37), (1200, 3, 39)):
        _eval(realm, step, level, correct)
    champion = ChampionRecord(
        hero=HERO, step=900, checkpoint="checkpoint-900", weights_sha256="0" * 64, promoted_at=now(), by="guild"
    )
    champions.write(realm, champion)
    emit(realm, manager, "battle_started", hero=HERO, step=0)
    emit(realm, manager, "quest_done", step=1200, quest="0" * 12, file="train_bin_level3_no7.jsonl")
    emit(realm, manager, "checkpoint_saved", name="checkpoint-1200", step=1200, why="quest_end")
    seen = EvalView(
        skill="bin", level=3, step=1200, correct=39, size=50, closed=True,
        right=SampleView("Compute: add(①, ①)", "add(①, ①) = ①⓪", "add(①, ①) = ①⓪"),
        wrong=SampleView("Compute: add(①, ⓪)", "add(①, ⓪) = ①", "add(①, ⓪) = \x1b[31m⓪" + "①" * 300),
    )  # fmt: skip
    training = TrainingStatus(
        state="training", hero=HERO, quest="1" * 12, quest_name="train_bin_level3_no8.jsonl", step=1234, loss=0.05,
        smoothed_loss=0.04, val_loss=0.5, samples_done=600, samples_total=2000, eta_s=7.0, tokens_per_s=8765.4,
        last_eval=seen, process=this_process(), heartbeat=now(),
    )  # fmt: skip
    status.write(realm, training)
    return realm


@pytest.fixture
def manager(realm: Realm) -> Manager:
    return Manager.of(realm)


@pytest.fixture
def watcher(lived: Realm, manager: Manager) -> Watcher:
    made = Watcher(lived, manager, lambda seen: True)
    made.look()
    return made


def _drawn(scene: Scene, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO(), color_system=None, force_terminal=True)
    console.print(picture(scene, width, height), end="")
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text.rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), [(40, 24), (80, 24), (120, 40), (60, 10), (20, 5), (200, 80)])
def test_the_picture_fits_the_terminal(watcher: Watcher, width: int, height: int) -> None:
    watcher.scene.losses.extend((float(number), 5 / (number + 1)) for number in range(500))
    for banner, warning in (("", ""), ("bin level 2 mastered: 88 % (82-92)", "the disk is full")):
        watcher.scene.banner, watcher.scene.warning = banner, warning
        lines = _drawn(watcher.scene, width, height)
        assert max(map(cell_len, lines)) <= width
        assert len(lines) == height


def test_the_picture_shows_the_game_and_the_truth_beside_it(watcher: Watcher) -> None:
    watcher.scene.losses.clear()
    watcher.scene.losses.extend([(0.0, 5.0), (60.0, 0.05)])
    text = "\n".join(_drawn(watcher.scene, 80, 24))
    for part in (
        "dio-mini, The Apprentice", "⚔ training", "level 1", "XP 1,234", "gold 0", "champion step 900",
        "766 XP to level 2", "ATK 25 (loss 0.0400)", "DEF 2 (val loss 0.5000)", "ACC 74 %",
        "🔢 Binary Alchemy   level 3 in training   2 mastered   1 lost", "74 % (66–80, 3 evals), closed", "┼",
        "quest  train_bin_level3_no8", "30 % of 2,000 samples, 7s left", "█▁ 0.0500 now, last 1m 00s",
        "8,765 trained tokens/s", "bin level 3: 39 of 50 right (78 %), closed, step 1,200",
        "✓ Compute: add(①, ①) → add(①, ①) = ①⓪", "✗ Compute: add(①, ⓪) → add(①, ⓪) = [31m⓪", "not → add(①, ⓪) = ①",
        "quest done: train_bin_level3_no7", "p pause  r resume  s save  q quit",
    ):  # fmt: skip
        assert part in text, f"{part} is missing in\n{text}"
    assert "checkpoint saved" not in text
    assert "\x1b[31m" not in text


def test_many_skills_have_one_line_each_and_locked_ones_say_what_unlocks_them(watcher: Watcher) -> None:
    bin_ = watcher.scene.snapshot.skills["bin"]
    watcher.scene.snapshot.skills.update({f"skill{number}": bin_ for number in range(8)})
    watcher.scene.snapshot.skills["sy"] = replace(bin_, unlock={"bin": 5})
    lines = _drawn(watcher.scene, 80, 24)
    assert len(lines) == 24
    rows = [line for line in lines if "level 3 ━" in line]
    assert len(rows) == 6
    assert all("74 % (66–80, 3 evals), closed" in row for row in rows)
    assert any("and 3 more: realm status" in line for line in lines)
    assert any("sy locked until bin level 5 is mastered" in line for line in lines)


def test_states_are_shown_with_their_reasons(watcher: Watcher, lived: Realm) -> None:
    seen = status.read(lived)
    assert seen is not None
    fields = {"state": "waiting", "reason": "too little disk for a checkpoint"}
    changed = TrainingStatus.from_dict({**seen.to_dict(), **fields}, "here")
    status.write(lived, changed)
    watcher.look()
    text = "\n".join(_drawn(watcher.scene, 80, 24))
    assert "… waiting ──" in text
    assert "waiting  too little disk for a checkpoint" in text


def test_a_level_up_raises_a_banner(watcher: Watcher, lived: Realm, manager: Manager) -> None:
    facts = {"skill": "bin", "level": 3, "accuracy": 0.84, "interval": [0.77, 0.89], "evals": [1, 2, 3]}
    emit(lived, manager, "skill_level_up", hero=HERO, step=1300, checkpoint="checkpoint-1300", **facts)
    (new,) = watcher.look()
    text = "\n".join(_drawn(watcher.scene, 80, 24))
    assert "★ LEVEL UP ★  bin level 3 mastered: 84 % (77–89)" in text
    line = playlines.event_line(new, watcher.scene.training)
    assert line is not None
    assert line.endswith("  bin level 3 mastered: 84 % (77–89)")


def test_only_what_was_appended_to_the_events_is_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    line = {"kind": "event", "version": 1, "name": "board_empty", "time": now(), "facts": {}}
    tail = EventTail(path)
    assert tail.read() == []
    store.append_line(path, line)
    with open(path, "ab") as file:
        file.write(b'{"kind":"event"')
    assert [event.name for event in tail.read()] == ["board_empty"]
    assert tail.read() == []
    store.append_line(path, {**line, "name": "after_a_torn_line"})
    assert [event.name for event in tail.read()] == ["after_a_torn_line"]
    path.write_text(json.dumps({**line, "name": "another_file"}) + "\n")
    assert [event.name for event in tail.read()] == ["another_file"]


def test_status_shows_the_same_within_80_columns(lived: Realm, manager: Manager) -> None:
    (lived.pending_evals / "dio-mini-1200-bin-4.json").write_text("{}")
    text = render(gaze(lived, manager))
    assert max(map(len, text.splitlines())) <= 80
    for part in (
        "hero       dio-mini, level 1", "atk        25 (loss 0.0400)", "def        2 (val loss 0.5000)", "acc        74 %",
        "champion   step 900, chosen by guild", "last eval  bin level 3: 39 of 50 right (78 %), closed, step 1,200",
        "  right    Compute: add(①, ①) → add(①, ①) = ①⓪", "mastered 1–2; lost 2 (62 %)",
        "skill      bin, level 3 of 30 in training: 74 % (66–80, 3 evals), closed",
        "evals      1 pending; make them: realm skill eval --pending",
    ):  # fmt: skip
        assert part in text, f"{part} is missing in\n{text}"


def test_a_locked_skill_says_what_unlocks_it() -> None:
    assert phrases.locked({"bin": 3}) == "locked until bin level 3 is mastered"
    assert phrases.locked({}) == ""


def test_a_share_below_the_threshold_never_reads_as_the_threshold() -> None:
    assert [phrases.percent(share) for share in (0.7999, 0.8, 0.999, 1.0, 0.0)] == [
        "79 %",
        "80 %",
        "99 %",
        "100 %",
        "0 %",
    ]


def test_while_you_were_away_is_told_from_what_is_on_disk(lived: Realm, manager: Manager) -> None:
    assert playlines.told_away(lived, gaze(lived, manager)) == []  # play was never left
    playlines.remember(lived, gaze(lived, manager))
    assert playlines.told_away(lived, gaze(lived, manager)) == []  # nothing happened since
    left = store.read_record(playlines.record_path(lived), PlayRecord)
    early = {**left.to_dict(), "left_at": "2026-01-01T00:00:00.000+00:00", "step": 200, "levels": {"bin": 1}}
    store.write_record(playlines.record_path(lived), PlayRecord.from_dict(early, "here"))
    emit(lived, manager, "quest_failed", step=1250, quest="2" * 12, file="mine.jsonl", reason="no line of it is good")
    title, *told = playlines.told_away(lived, gaze(lived, manager))
    assert title.startswith("while you were away (")
    assert told[0].startswith("  1 trouble, last: ")
    assert told[0].endswith("quest failed: mine: no line of it is good")
    assert told[1:] == [
        "  bin from level 1 to level 3: 74 % (66–80, 3 evals)",
        "  1,034 steps: 200 to 1,234, dio-mini is level 1 now",
        "  1 checkpoint saved",
    ]


def test_a_course_of_losses_is_scaled_to_what_is_shown() -> None:
    assert course([], 10) == ""
    assert course([1.0, 1.0], 10) == "▁▁"
    assert course([8.0, 4.0, 2.0, 1.0], 4) == "█▆▃▁"
    assert len(course([float(number + 1) for number in range(1000)], 37)) == 37


def test_the_held_out_rows_are_of_the_first_five_levels(realm: Realm, manager: Manager) -> None:
    path = make_held_out(realm, manager)
    assert path is not None
    levels = [json.loads(line)["level"] for line in path.read_text().splitlines()]
    assert sorted(set(levels)) == [1, 2, 3, 4, 5]
    assert all(0 < levels.count(level) <= 40 for level in range(1, 6))
    assert make_held_out(realm, manager) is None
