"""Requests for evals: made once, claimed by one, given back after kills and outages."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers import PATIENCE, Run, environment
from realm_cli import skillstate
from realm_cli.errors import RealmError
from realm_cli.realm import Realm
from realm_guild import evalsets, requests, results
from realm_guild_heroes import (
    HERO,
    FakeHero,
    bin_of,
    checkpoint,
    events,
    make,
)


def test_asked_twice_is_asked_once(realm: Realm) -> None:
    path = requests.ask(realm, HERO, 5, "bin", 1, "training")
    before = path.read_bytes()
    assert requests.ask(realm, HERO, 5, "bin", 1, "level_up") == path
    assert path.read_bytes() == before
    ((found, request),) = requests.pending(realm)
    assert (found, request.why) == (path, "training")


def test_the_oldest_checkpoint_waits_first(realm: Realm) -> None:
    for step, level in ((100, 2), (20, 1), (3, 9), (100, 1)):
        requests.ask(realm, HERO, step, "bin", level, "training")
    assert [(request.step, request.level) for _, request in requests.pending(realm)] == [
        (3, 9), (20, 1), (100, 1), (100, 2)
    ]  # fmt: skip


def test_of_two_claims_one_is_granted(realm: Realm) -> None:
    path = requests.ask(realm, HERO, 5, "bin", 1, "training")
    with requests.claimed(realm, path) as mine:
        assert mine
        assert requests.pending(realm) == []
        with requests.claimed(realm, path) as also:
            assert not also
    assert requests.pending(realm) == []
    assert [path for path in realm.pending_evals.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("leaving", [RealmError("gone"), RuntimeError("bug"), KeyboardInterrupt(), SystemExit(1)])
def test_a_request_that_is_left_by_an_exception_waits_again_as_it_was(realm: Realm, leaving: BaseException) -> None:
    path = requests.ask(realm, HERO, 5, "bin", 1, "training")
    before = path.read_bytes()
    with pytest.raises(type(leaving)), requests.claimed(realm, path):
        raise leaving
    assert [found for found, _ in requests.pending(realm)] == [path]
    assert path.read_bytes() == before


def test_a_damaged_request_is_set_aside_and_holds_nobody_up(realm: Realm) -> None:
    damaged = requests.ask(realm, HERO, 4, "bin", 1, "training")
    damaged.write_bytes(b"\0\0")
    good = requests.ask(realm, HERO, 5, "bin", 1, "training")
    assert [path for path, _ in requests.pending(realm)] == [good]
    assert len(list(realm.pending_evals.glob(f"{damaged.name}.corrupt-*"))) == 1


CLAIMANT = """
import sys, time
from pathlib import Path
from realm_cli.realm import Realm
from realm_guild import requests
realm = Realm(sys.argv[1])
(path,) = [path for path, _ in requests.pending(realm)]
with requests.claimed(realm, path) as mine:
    print(mine, flush=True)
    time.sleep(600)
"""


def test_the_request_of_a_killed_claimant_waits_again(realm: Realm) -> None:
    path = requests.ask(realm, HERO, 5, "bin", 1, "training")
    before = path.read_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", CLAIMANT, str(realm.root)], stdout=subprocess.PIPE, text=True, env=environment()
    ) as claimant:
        assert claimant.stdout is not None
        assert claimant.stdout.readline() == "True\n"
        assert requests.pending(realm) == []  # it lives, so it is left alone
        claimant.send_signal(signal.SIGKILL)
        claimant.wait()
    assert [found for found, _ in requests.pending(realm)] == [path]
    assert path.read_bytes() == before


RACER = """
import json, sys
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skillbook import open_skill
from realm_guild import evaluating
from realm_guild_heroes import FakeHero
realm = Realm(sys.argv[1])
manager = Manager.of(realm)
entries = {"bin": open_skill(realm, manager, "bin")}
print("ready", flush=True)
sys.stdin.readline()
hero = FakeHero(realm, 7)
evaluating.make_pending(realm, manager, entries, hero, lambda doing: None)
print(json.dumps([level for _, level in hero.asked]))
"""


def test_three_processes_never_make_the_same_eval_twice(realm: Realm) -> None:
    levels = list(range(1, 31))
    for level in levels:
        evalsets.ensure(realm, bin_of(realm), level)
        requests.ask(realm, HERO, 7, "bin", level, "request")
    tests = str(Path(__file__).parents[1])
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(realm.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**environment(), "PYTHONPATH": tests},
        )
        for _ in range(3)
    ]  # fmt: skip
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    with ThreadPoolExecutor(3) as pool:
        outputs = list(pool.map(lambda racer: racer.communicate("go\n", timeout=PATIENCE)[0], racers))
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    made = [level for output in outputs for level in json.loads(output)]
    assert sorted(made) == levels
    assert len(skillstate.lines(realm, HERO, "bin")) == len(events(realm, "eval_done")) == 30
    assert requests.pending(realm) == []


@pytest.mark.parametrize("fault", [RuntimeError("the device is gone"), KeyboardInterrupt(), OSError("no bus")])
def test_an_outage_leaves_the_eval_pending(realm: Realm, fault: BaseException) -> None:
    path = requests.ask(realm, HERO, 5, "bin", 1, "training")
    hero = FakeHero(realm, 5)
    hero.fault = fault
    with pytest.raises(type(fault)):
        make(realm, hero)
    assert [found for found, _ in requests.pending(realm)] == [path]
    assert results.read(realm, HERO, 5, "bin", 1) is None
    assert skillstate.lines(realm, HERO, "bin") == []
    hero.fault = None
    assert [result.state for result in make(realm, hero)] == ["ok"]


def test_a_checkpoint_that_is_not_here_leaves_its_evals_pending(realm: Realm, run: Run) -> None:
    record = checkpoint(realm, 5)
    (realm.hero_folder(HERO) / record.canonical_name).rmdir()
    requests.ask(realm, HERO, 5, "bin", 1, "training")
    ran = run("skill", "eval", "bin", "--pending")
    assert ran.code == 0
    assert "stay pending" in ran.err
    assert "is not on this machine" in ran.err
    direct = run("skill", "eval", "bin", "--level", "1")
    assert direct.code == 4
    assert "is not on this machine" in direct.err
    assert [request.step for _, request in requests.pending(realm)] == [5]


def test_evals_of_other_checkpoints_and_unknown_skills_are_left_alone(realm: Realm) -> None:
    for hero, step, skill in ((HERO, 4, "bin"), ("other", 5, "bin"), (HERO, 5, "syl"), (HERO, 5, "bin")):
        requests.ask(realm, hero, step, skill, 1, "training")
    assert [(result.hero, result.step) for result in make(realm, FakeHero(realm, 5))] == [(HERO, 5)]
    assert len(requests.pending(realm)) == 3
