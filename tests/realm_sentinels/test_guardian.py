"""The guardian over real battles: killed ones come back, stopped ones stay, hung ones are ended with evidence."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from helpers import PATIENCE, BattleProcess, environment, realm_line, rows, wait_for, write_rows
from realm_cli import control, intake, services, status, store
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.process import is_running, mark_of
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark, TrainingStatus, now
from realm_sentinels import records, victims
from realm_sentinels.guardian import RESTARTS_PER_HOUR, Guardian
from realm_sentinels.records import GuardianRecord, Watched

Start = Callable[..., BattleProcess]


@pytest.fixture
def guarded(realm: Realm) -> Iterator[Realm]:
    """The test's realm; a battle that the guardian has started in it ends with the test."""
    yield realm
    mark = status.battle_process(realm)
    if mark is not None:
        victim = victims.hold(mark)
        if victim is not None:
            with victim:
                victim.send(signal.SIGKILL)


Make = Callable[[Realm], Guardian]


@pytest.fixture
def make(guarded: Realm) -> Iterator[Make]:
    """`make(realm)`: a guardian in this process. What it has started last ends with the test."""
    made: list[Guardian] = []

    def one(realm: Realm) -> Guardian:
        made.append(Guardian(Realm(realm.root), Manager.of(realm)))
        return made[-1]

    yield one
    for guardian in made:
        if guardian.child is not None:
            guardian.child.kill()
            guardian.child.wait()


def events(realm: Realm, name: str) -> list[dict[str, Any]]:
    return [line["facts"] for line in store.read_tail(realm.events, 65_536) if line["name"] == name]


def settle(realm: Realm, guardian: Guardian) -> records.BattleDeath:
    """Look until the last death has been dealt with."""

    def look() -> records.BattleDeath | None:
        guardian.look()
        deaths = records.read(realm).deaths
        return deaths[-1] if deaths and deaths[-1].restarted else None

    found: records.BattleDeath = wait_for(look, "the guardian to deal with a death")
    return found


def watched_by(guardian: Guardian, realm: Realm) -> ProcessMark | None:
    """Which battle it watches after a look."""
    guardian.look()
    watched = records.read(realm).watched
    return watched.process if watched else None


def looked(guardian: Guardian, realm: Realm) -> int:
    """How many crashes are told after a look."""
    guardian.look()
    return len(events(realm, "battle_crashed"))


def quest(realm: Realm, tmp_path: Path, count: int) -> None:
    intake.add_files(realm, Manager.of(realm), [write_rows(tmp_path / f"{count}.jsonl", rows(count))])


def write_training(realm: Realm, state: str, process: ProcessMark, **more: object) -> None:
    facts = {
        "state": state,
        "step": 12,
        "process": process,
        "heartbeat": now(),
        "started_at": now(),
        "hero": "dio-mini",
    }
    status.write(realm, TrainingStatus(**{**facts, **more}))  # type: ignore[arg-type]


def test_a_killed_battle_is_told_of_and_started_again_as_it_was(
    guarded: Realm, battle: Start, tmp_path: Path, make: Make
) -> None:
    quest(guarded, tmp_path, 3_000)
    guardian = make(guarded)
    fighting = battle("--until-empty", "-q")
    before = fighting.until("training", step=1)
    guardian.look()
    fighting.kill()
    fallen = settle(guarded, guardian)
    assert (fallen.death.kind, fallen.step >= 1, fallen.process) == ("unknown", True, before.process)
    (told,) = events(guarded, "battle_crashed")
    assert (told["hero"], told["step"], told["quest"]) == ("dio-mini", fallen.step, before.quest)
    again = wait_for(lambda: status.battle_process(guarded), "the battle to be back")
    assert fallen.restarted == f"started again as pid {again.pid}"
    line = Path(f"/proc/{again.pid}/cmdline").read_text().split("\0")
    assert line[-5:-1] == ["battle", "start", "--until-empty", "-q"]
    # Its exit status is known now, as it is our own: killed without a sign of memory shortage.
    wait_for(lambda: watched_by(guardian, guarded) == again, "the new one to be watched")
    victim = victims.hold(again)
    assert victim is not None
    with victim:
        victim.send(signal.SIGKILL)
    wait_for(lambda: not is_running(again), "its end")
    guardian.look()
    second = settle(guarded, guardian)
    assert second.process == again
    assert second.death.summary == "killed: SIGKILL, no sign of memory shortage"
    wait_for(lambda: Board(guarded).counts()["recently_completed"] == 1, "the quest to be completed")
    assert Ledger(guarded).get_latest().samples_seen == 3_000
    wait_for(lambda: status.battle_process(guarded) is None, "the battle to end with the board")
    guardian.look()
    assert len(records.read(guarded).deaths) == 2


def test_a_battle_that_was_stopped_or_interrupted_stays_so(
    guarded: Realm, battle: Start, tmp_path: Path, make: Make
) -> None:
    quest(guarded, tmp_path, 2_000)
    guardian = make(guarded)
    fighting = battle("-q")
    fighting.until("training", step=1)
    guardian.look()
    assert fighting.kill(signal.SIGTERM) == 0
    guardian.look()
    assert records.read(guarded).deaths == []
    assert events(guarded, "battle_crashed") == []
    assert status.battle_process(guarded) is None


@pytest.fixture
def dead(guarded: Realm) -> Realm:
    """A realm whose battle was watched, and killed while it trained."""
    process = subprocess.Popen(["sleep", "600"])
    write_training(guarded, "training", mark_of(process.pid))
    process.kill()
    process.wait()
    remember(guarded)
    return guarded


def remember(realm: Realm, **more: object) -> None:
    """The guardian saw the battle run."""
    training = status.read(realm)
    assert training is not None
    watched = Watched(process=training.process, command=["status", "-q"])  # harmless instead of a battle
    record = GuardianRecord(**{"watched": watched, **more})  # type: ignore[arg-type]
    store.write_record(records.guardian_file(realm), record)


def test_whoever_does_not_want_restarts_gets_none(dead: Realm, make: Make) -> None:
    dead.config_file.write_text(dead.config_file.read_text().replace("restart: true", "restart: false"))
    assert settle(dead, make(dead)).restarted == "not started again: guardian.restart is false"
    assert len(events(dead, "battle_crashed")) == 1


def test_a_stop_that_was_asked_for_holds(dead: Realm, make: Make) -> None:
    control.raise_flag(dead, "stop", "enough")
    assert settle(dead, make(dead)).restarted == "not started again: it was asked to stop"


def test_a_battle_of_the_weaver_or_of_play_is_theirs(dead: Realm, make: Make) -> None:
    training = status.read(dead)
    assert training is not None
    remember(dead, watched=Watched(process=training.process, command=["status"], keeper="the weaver"))
    assert settle(dead, make(dead)).restarted == "not started again: the weaver keeps it"


def test_what_only_a_person_can_mend_is_not_started_again(dead: Realm, make: Make) -> None:
    training = status.read(dead)
    assert training is not None
    write_training(dead, "failed", training.process, reason="ModuleNotFoundError: No module named 'torch'")
    fallen = settle(dead, make(dead))
    assert fallen.restarted == "not started again: a package is missing or does not fit: make setup"


def test_a_battle_that_dies_again_and_again_waits_until_the_hour_is_over(dead: Realm, make: Make) -> None:
    remember(dead, restarts=[now()] * RESTARTS_PER_HOUR)
    guardian = make(dead)
    for _ in range(3):
        guardian.look()
    (fallen,) = records.read(dead).deaths
    assert fallen.restarted == ""
    assert len(events(dead, "battle_crashed")) == 1
    record = records.read(dead)
    store.write_record(
        records.guardian_file(dead),
        GuardianRecord(watched=record.watched, deaths=record.deaths, restarts=["2026-01-01T00:00:00.000+00:00"] * 9),
    )
    assert settle(dead, guardian).restarted.startswith("started again as pid ")
    assert len(records.read(dead).restarts) == 1


def test_a_guardian_that_was_killed_between_death_and_restart_goes_on(dead: Realm, make: Make) -> None:
    remember(dead, restarts=[now()] * RESTARTS_PER_HOUR)
    make(dead).look()
    record = records.read(dead)
    store.write_record(
        records.guardian_file(dead), GuardianRecord(watched=record.watched, deaths=record.deaths, restarts=[])
    )
    assert settle(dead, make(dead)).restarted.startswith("started again as pid ")
    assert len(events(dead, "battle_crashed")) == 1


def test_a_battle_that_cannot_even_begin_is_told_of_and_left(dead: Realm, make: Make) -> None:
    training = status.read(dead)
    assert training is not None
    remember(dead, watched=Watched(process=training.process, command=["battle", "start", "--no-such-option"]))
    guardian = make(dead)
    settle(dead, guardian)
    wait_for(lambda: looked(guardian, dead) == 2, "the second event")
    guardian.look()
    assert len(events(dead, "battle_crashed")) == 2
    assert events(dead, "battle_crashed")[1]["reason"].startswith("it ended with exit code 2")


def test_a_death_of_long_ago_is_the_doctor_s_matter(guarded: Realm, make: Make) -> None:
    process = subprocess.Popen(["true"])
    mark = mark_of(process.pid)
    process.wait()
    mark = ProcessMark(pid=mark.pid, started=mark.started or "x:1", host=mark.host)
    write_training(guarded, "training", mark, heartbeat="2026-01-01T00:00:00.000+00:00")
    make(guarded).look()
    assert records.read(guarded).deaths == []
    assert events(guarded, "battle_crashed") == []


@contextmanager
def started(line: list[str], stderr: IO[bytes] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A program; killed at the end, whatever happens."""
    with subprocess.Popen(
        line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment()
    ) as process:
        try:
            yield process
        finally:
            process.kill()


DEAF = """
import faulthandler, signal, sys, time
faulthandler.register(signal.SIGUSR1, open(sys.argv[1], "w"))
signal.signal(signal.SIGTERM, signal.SIG_IGN if sys.argv[2] == "deaf" else signal.SIG_DFL)
def stands_still():
    print("ready", flush=True)
    time.sleep(600)
stands_still()
"""


@pytest.mark.parametrize(("hearing", "how"), [("deaf", "it was killed"), ("hears", "it ended after SIGTERM")])
def test_who_hangs_is_asked_where_it_stands_then_to_end_then_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hearing: str, how: str
) -> None:
    monkeypatch.setattr(victims, "GRACE_SECONDS", 0.5)
    stacks = tmp_path / "battle.stacks"
    with started([sys.executable, "-c", DEAF, str(stacks), hearing]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        beats: list[int] = []
        victim = victims.hold(mark_of(process.pid))
        assert victim is not None
        with victim:
            said = victim.evidence(stacks, lambda: beats.append(1))
            assert said.startswith("state ")
            assert said.endswith("its stacks are in battle.stacks")
            wait_for(lambda: "in stands_still" in stacks.read_text(), "the whole of its stacks")
            assert victim.end(lambda: beats.append(1)) == how
    assert process.returncode == (-signal.SIGKILL if hearing == "deaf" else -signal.SIGTERM)


def test_a_program_that_would_die_of_the_question_is_not_asked(tmp_path: Path) -> None:
    with started(["sleep", "600"]) as process:
        victim = victims.hold(mark_of(process.pid))
        assert victim is not None
        with victim:
            assert "stacks" not in victim.evidence(tmp_path / "none", lambda: None)
            assert process.poll() is None
            victim.end(lambda: None)


def test_a_pid_that_was_given_to_another_process_is_never_held() -> None:
    with started(["sleep", "600"]) as process:
        mark = mark_of(process.pid)
        assert victims.hold(ProcessMark(pid=mark.pid, started=f"{mark.started}0", host=mark.host)) is None
        process.kill()


def test_a_real_battle_writes_its_stacks_when_it_is_asked_and_when_it_breaks(
    guarded: Realm, battle: Start, tmp_path: Path
) -> None:
    quest(guarded, tmp_path, 2_000)
    fighting = battle("-q")
    training = fighting.until("training", step=1)
    stacks = guarded.logs / "battle.stacks"
    victim = victims.hold(training.process)
    assert victim is not None
    with victim:
        assert "its stacks are in battle.stacks" in victim.evidence(stacks, lambda: None)
    wait_for(lambda: "in run" in stacks.read_text(), "the whole of its stacks")
    fighting.until("training", step=training.step + 1)
    fighting.kill(signal.SIGABRT)
    assert "Fatal Python error: Aborted" in stacks.read_text()


def test_a_guardian_that_cannot_look_says_so_once_and_stays(guarded: Realm, tmp_path: Path) -> None:
    beat = services.beat_path(guarded, "guardian")
    output = tmp_path / "said.txt"
    with open(output, "wb") as said, started(realm_line("guardian", "-q", realm=guarded), said) as process:
        wait_for(beat.is_file, "a sign of life")
        records.guardian_file(guarded).mkdir()
        beats: set[int] = set()

        def looked() -> bool:
            beats.add(beat.stat().st_mtime_ns)
            return len(beats) > 3

        wait_for(looked, "some more looks")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert output.read_text().count("guardian.json") == len(output.read_text().splitlines()) == 1


def test_one_guardian_watches_a_realm_beats_and_ends_when_asked(guarded: Realm) -> None:
    line = realm_line("guardian", "-q", realm=guarded)
    with started(line) as first:
        wait_for(lambda: services.running(guarded, "guardian"), "the guardian")
        wait_for(services.beat_path(guarded, "guardian").is_file, "a sign of life")
        second = subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert (second.returncode, "is held by another guardian" in second.stderr) == (5, True)
        first.send_signal(signal.SIGTERM)
        assert first.wait(PATIENCE) == 0


def test_the_guardian_of_a_copied_realm_leaves_the_original_s_battle_alone(
    realm: Realm, tmp_path: Path, make: Make
) -> None:
    copy = Realm(tmp_path / "copy")
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as other:
        mark = mark_of(other.pid)
        write_training(realm, "training", mark)
        shutil.copytree(realm.root, copy.root, symlinks=True)
        assert watched_by(make(realm), realm) == mark
        guardian = make(copy)
        assert watched_by(guardian, copy) is None
        other.kill()
        other.wait()
        assert (looked(guardian, copy), records.read(copy).deaths) == (0, [])
