"""GPU courtesy with real processes and battles, on cards that a stand-in for NVML shows."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fake_gpus import LOST, FakeGpu, FakeMachine
from helpers import PATIENCE, BattleProcess, Run, realm_line, rows, set_recipe, wait_for, write_rows
from realm_arena.manners import WHO
from realm_cli import control, services, store, watchtower
from realm_cli.process import mark_of
from realm_cli.realm import Realm
from realm_cli.records import FlagRecord, ServiceRecord, now

LOOKS = """
import json, sys, torch
from realm_arena.courtesy import Courtesy
from realm_cli import control
from realm_cli.realm import Realm
realm = Realm(sys.argv[1])
for line in sys.stdin:  # a look for each line
    courtesy = Courtesy(realm, torch.device(sys.argv[2]))
    courtesy.look()
    flag = control.read(realm, "pause")
    control.lower(realm, "pause")
    print(json.dumps(flag and [flag.who, flag.release, flag.reason]), flush=True)
"""

STEADY = """
import json, sys, torch
from realm_arena import manners
from realm_arena.courtesy import Courtesy
from realm_cli import control
from realm_cli.realm import Realm
manners.CLEAR_SECONDS = 0
realm = Realm(sys.argv[1])
courtesy = Courtesy(realm, torch.device(sys.argv[2]))
for line in sys.stdin:
    courtesy.look()
    flag = control.read(realm, "pause")
    print(json.dumps(flag and flag.reason), flush=True)
"""


@pytest.fixture
def watching(realm: Realm) -> Realm:
    """A realm whose battle is courteous to GPU 0, though it trains on the CPU."""
    text = realm.config_file.read_text().replace("watched_gpu: null", "watched_gpu: 0")
    realm.config_file.write_text(text.replace("max_celsius: null", "max_celsius: 80"))
    return Realm(realm.root)


@contextmanager
def sleeper(line: list[str] | None = None) -> Iterator[int]:
    """A process that does nothing; its pid."""
    with subprocess.Popen(line or ["sleep", "120"], stdin=subprocess.PIPE) as process:
        try:
            yield process.pid
        finally:
            if line is None:
                process.kill()
            else:
                process.communicate(timeout=PATIENCE)  # it ends with its input


@contextmanager
def looks(realm: Realm, gpus: FakeMachine, device: str = "cpu", program: str = LOOKS) -> Iterator[Callable[[], object]]:
    line = [sys.executable, "-c", program, str(realm.root), device]
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=gpus.environment()
    ) as asked:
        assert asked.stdin is not None
        assert asked.stdout is not None

        def look() -> object:
            assert asked.stdin is not None
            assert asked.stdout is not None
            asked.stdin.write("look\n")
            asked.stdin.flush()
            return json.loads(asked.stdout.readline())

        look.pid = asked.pid  # type: ignore[attr-defined]
        try:
            yield look
        finally:
            asked.stdin.close()


def test_only_foreign_programs_with_much_memory_count(watching: Realm, gpus: FakeMachine) -> None:
    path = services.path_of(watching, "oracle")
    path.parent.mkdir()
    child = ["sh", "-c", "sleep 120 & read nothing; kill $!"]
    with looks(watching, gpus) as look, sleeper() as game, sleeper(child) as service:
        record = ServiceRecord(name="oracle", process=mark_of(service), started_at=now())
        store.write_record(path, record)
        below = int(wait_for(lambda: subprocess.getoutput(f"pgrep -P {service}"), "the service's own process"))
        pid = look.pid  # type: ignore[attr-defined]

        gpus.set(FakeGpu(computing={pid: 9000, service: 9000, below: 9000}, drawing={game: 499, 4194303: 9000}))
        assert look() is None
        gpus.set(FakeGpu(computing={game: 500}))
        assert look() == [WHO, True, f"another program uses the GPU: sleep (pid {game}, 500 MB)"]
        gpus.set(FakeGpu(), FakeGpu(uuid="GPU-1", drawing={game: 9000}))
        assert look() is None  # another card
        gpus.set(FakeGpu(computing={game: -1}))
        assert look() is None  # how much it holds is not known
        gpus.set(FakeGpu(error=LOST))
        assert look() is None
        gpus.set(FakeGpu(heat=81))
        assert look() == [WHO, True, "the GPU has 81 °C, more than training.max_celsius (80)"]


def test_pids_of_another_name_space_are_nobody_s(watching: Realm, gpus: FakeMachine) -> None:
    with looks(watching, gpus, "cuda") as look, sleeper() as game:
        pid = look.pid  # type: ignore[attr-defined]
        gpus.set(FakeGpu(computing={game: 9000}))
        assert look() is None  # a battle on the GPU that is not listed there itself
        gpus.set(FakeGpu(computing={game: 9000, pid: 9000}))
        assert look() == [WHO, True, f"another program uses the GPU: sleep (pid {game}, 9,000 MB)"]
        gpus.set(FakeGpu(heat=81))
        assert look() == [WHO, True, "the GPU has 81 °C, more than training.max_celsius (80)"]


def test_a_program_of_realm_is_ours(watching: Realm, gpus: FakeMachine) -> None:
    waiting = realm_line("skill", "judge", "bin", "--json", realm=watching)  # it reads its input
    with looks(watching, gpus) as look, sleeper(waiting) as verb:
        gpus.set(FakeGpu(computing={verb: 9000}))
        assert look() is None


def test_what_a_job_of_a_runner_started_is_ours(watching: Realm, gpus: FakeMachine) -> None:
    job = ["env", "REALM_JOB_TOKEN=1234", "setsid", "cat"]
    with looks(watching, gpus) as look, sleeper(job) as pid:
        wait_for(lambda: Path(f"/proc/{pid}/comm").read_text() == "cat\n", "the job")
        gpus.set(FakeGpu(computing={pid: 9000}))
        assert look() is None


def test_while_the_card_does_not_answer_what_was_seen_last_counts(watching: Realm, gpus: FakeMachine) -> None:
    with looks(watching, gpus, program=STEADY) as look:
        with sleeper() as game:
            gpus.set(FakeGpu(drawing={game: 3000}))
            yielded = f"another program uses the GPU: sleep (pid {game}, 3,000 MB)"
            assert look() == yielded
            gpus.set(FakeGpu(error=LOST))
            assert [look(), look()] == [yielded] * 2
        assert look() is None  # that program has ended
        gpus.set(FakeGpu(heat=81))
        hot = "the GPU has 81 °C, more than training.max_celsius (80)"
        assert look() == hot
        gpus.set(FakeGpu(error=LOST))
        assert [look(), look()] == [hot] * 2
        gpus.set(FakeGpu(heat=70))
        assert look() is None


def add_quest(run: Run, realm: Realm) -> None:
    set_recipe(realm, epochs=100)
    path = write_rows(realm.root / "many.jsonl", rows(200))
    assert run("quest", "add", path, "-q").code == 0


def test_a_battle_yields_to_a_game_and_goes_on_after_it(
    watching: Realm, gpus: FakeMachine, run: Run, battle: Callable[..., BattleProcess]
) -> None:
    add_quest(run, watching)
    gpus.set(FakeGpu())
    fighting = battle(env=gpus.environment())
    fighting.until("training", step=1)
    with sleeper() as game:
        gpus.set(FakeGpu(drawing={game: 3000}))
        paused = fighting.until("paused")
        flag = control.read(watching, "pause")
        assert paused.reason == f"another program uses the GPU: sleep (pid {game}, 3,000 MB)"
        assert flag is not None
        assert (flag.who, flag.release) == (WHO, True)

        assert run("battle", "resume").code == 0  # a person wants it in spite of that program
        fighting.until("training", step=paused.step + 1)
    gpus.set(FakeGpu())
    with sleeper() as game:
        gpus.set(FakeGpu(drawing={game: 3000}))
        again = fighting.until("paused")
    gpus.set(FakeGpu())
    fighting.until("training", step=again.step + 1)

    assert control.read(watching, "pause") is None
    told = [event.name for event in watchtower.recent_events(watching, 20) if "paus" in event.name]
    assert told == ["battle_paused", "battle_unpaused"] * 2


def test_a_battle_that_was_killed_while_it_yielded_goes_on_rightly(
    watching: Realm, gpus: FakeMachine, run: Run, battle: Callable[..., BattleProcess]
) -> None:
    add_quest(run, watching)
    with sleeper() as game:
        gpus.set(FakeGpu(drawing={game: 3000}))
        first = battle(env=gpus.environment())
        first.until("paused")
        first.kill()
        second = battle(env=gpus.environment())
        assert second.until("paused").reason.endswith(f"sleep (pid {game}, 3,000 MB)")
        second.kill()
    gpus.set(FakeGpu())
    battle(env=gpus.environment()).until("training", step=1)

    assert control.read(watching, "pause") is None


def test_a_battle_without_a_gpu_takes_down_what_courtesy_left(
    realm: Realm, run: Run, battle: Callable[..., BattleProcess]
) -> None:
    add_quest(run, realm)
    store.write_record(control.path_of(realm, "pause"), FlagRecord(who=WHO, when=now(), reason="a game", release=True))
    battle().until("training", step=1)
    assert control.read(realm, "pause") is None


def test_a_persons_pause_is_never_taken_down_by_courtesy(realm: Realm) -> None:
    control.raise_flag(realm, "pause", "mine")
    assert not control.offer(realm, "pause", "a game", who=WHO)
    assert not control.withdraw(realm, "pause", WHO)
    kept = control.read(realm, "pause")
    assert kept is not None
    assert kept.reason == "mine"
