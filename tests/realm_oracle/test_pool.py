"""The pool of loaded checkpoints, in this process: real checkpoints, real models."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers import wait_for
from realm_cli import heroes, leases, store
from realm_cli.errors import AwayError, FormatError, NotFoundError, RealmError, RefusedError, UsageError
from realm_cli.generation import Message, Reply, open_generator
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_oracle import memory
from realm_oracle.pool import Loaded, Pool
from realm_oracle.worker import STUCK_SECONDS, GoneError, Wanted
from realm_oracle_boxes import HERO
from realm_oracle_realms import LONG, STEPS, configure, turns

SIZE = 2_600_000
"""A little more than one dio-mini takes."""


@pytest.fixture
def pools() -> Iterator[Callable[..., Pool]]:
    """`pools(realm, max_gb=…)`: a pool with these values in its configuration."""
    made: list[Pool] = []
    threads = torch.get_num_threads()

    def make(realm: Realm, **values: Any) -> Pool:
        configure(realm, **values)
        fresh = Realm(realm.root)
        made.append(Pool(fresh, Manager.of(fresh)))
        return made[-1]

    yield make
    for pool in made:
        pool.close()
    torch.set_num_threads(threads)


def ask(pool: Pool, one: Loaded, *texts: str, max_tokens: int = 6, **given: Any) -> list[Reply]:
    wanted = Wanted([turns(text) for text in texts], max_tokens, **given)
    with pool.asked(one, wanted, lambda: False) as request:
        return request.all()


def events(realm: Realm, name: str) -> list[dict[str, Any]]:
    return [line["facts"] for line in store.read_lines(realm.events) if line["name"] == name]


def loaded_steps(pool: Pool) -> set[int]:
    return {model.step for model in pool.info().models}


def test_what_is_loaded_answers_as_itself(mine: Realm, pools: Callable[..., Pool]) -> None:
    pool = pools(mine)
    for step in (0, *STEPS):
        one = pool.load(HERO, step)
        alone = open_generator(mine, Manager.of(mine), HERO, step).generate([turns("say 1")], max_tokens=6)
        assert ask(pool, one, "say 1") == alone
        face = one.face()
        assert (face.hero, face.step, face.weights_sha256) == (HERO, step, alone[0].weights_sha256)
        assert (face.identity, face.backend, face.id) == ("verified", "transformers", f"{HERO}@step-{step}")
        assert 2_000_000 < face.memory < SIZE
    assert pool.info().model_count == 4
    assert pool.load(HERO, 0).face().model == "dio-mini"
    assert pool.load(HERO, 2).face().model.startswith("checkpoint-2-")
    assert Path(pool.load(HERO, 2).face().model_path).name == pool.load(HERO, 2).face().model
    assert len(events(mine, "oracle_loaded")) == 4


def test_all_who_ask_at_a_time_share_one_load_and_are_answered_together(
    mine: Realm, pools: Callable[..., Pool]
) -> None:
    pool = pools(mine)
    together = threading.Barrier(8)

    def one(number: int) -> tuple[Loaded, list[Reply]]:
        together.wait()
        loaded = pool.load(HERO, 4)
        return loaded, ask(pool, loaded, f"say {number}", max_tokens=40)

    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(one, range(8)))
    assert len({id(loaded) for loaded, _ in got}) == 1
    assert len(events(mine, "oracle_loaded")) == 1
    generator = open_generator(mine, Manager.of(mine), HERO, 4)
    asked = [[Message("user", f"say {number}")] for number in range(8)]
    assert [reply for _, replies in got for reply in replies] == generator.generate(asked, max_tokens=40)


def test_a_missing_step_is_told_with_what_is_loaded(mine: Realm, pools: Callable[..., Pool]) -> None:
    pool = pools(mine)
    with pytest.raises(NotFoundError, match=r"^Step 148000 not loaded. Available: \[\]$"):
        pool.find(HERO, 148000, None)
    pool.load(HERO, 5)
    pool.load(HERO, 0)
    with pytest.raises(NotFoundError, match=r"^Step 2 not loaded. Available: \[0, 5\]$"):
        pool.find(HERO, 2, None)
    with pytest.raises(NotFoundError, match=r"^other: Step 2 not loaded. Available: \[\]$"):
        pool.find("other", 2, None)


def test_a_step_that_is_elsewhere_is_told_and_nothing_is_fetched(mine: Realm, pools: Callable[..., Pool]) -> None:
    pool, ledger = pools(mine), Ledger(mine, HERO)
    shutil.rmtree(ledger.here(2)[1])
    with pytest.raises(NotFoundError, match="is not on this machine") as caught:
        pool.load(HERO, 2)
    assert "realm vault locate checkpoint_dio-mini_2" in caught.value.hint
    with pytest.raises(NotFoundError, match="no checkpoint at step 3; near it: 2, 4, 5"):
        pool.load(HERO, 3)
    assert (pool.info().models, pool.info().loading) == ([], [])


def test_a_checkpoint_that_was_sent_here_brings_its_own_record(mine: Realm, pools: Callable[..., Pool]) -> None:
    expected = Ledger(mine, HERO).get(4).weights_sha256
    shutil.rmtree(mine.ledger)
    assert pools(mine).load(HERO, 4).face().weights_sha256 == expected


# -- memory ------------------------------------------------------------------------------------------------------


def test_the_least_recently_used_goes_when_room_is_needed(mine: Realm, pools: Callable[..., Pool]) -> None:
    pool = pools(mine, max_gb=2 * SIZE / 1e9)
    two, _ = pool.load(HERO, 2), pool.load(HERO, 4)
    ask(pool, two, "say 1")
    pool.load(HERO, 5)
    assert loaded_steps(pool) == {2, 5}
    assert [(fact["step"], fact["reason"]) for fact in events(mine, "oracle_unloaded")] == [(4, "room was needed")]
    assert set(leases.held_now(mine)) == {f"checkpoint_{HERO}_2", f"checkpoint_{HERO}_5"}


def test_what_is_pinned_or_answers_stays_and_the_newcomer_is_refused(mine: Realm, pools: Callable[..., Pool]) -> None:
    pool = pools(mine, max_gb=2 * SIZE / 1e9)
    pool.load(HERO, 2, pin=True)
    four = pool.load(HERO, 4)
    wanted = Wanted([turns(LONG)], 1500)
    with pool.asked(four, wanted, lambda: False) as request:
        with pytest.raises(RefusedError, match=r"no memory for checkpoint-5-.*pinned or answering: .*step-2, .*step-4"):
            pool.load(HERO, 5)
        request.give_up()
    assert loaded_steps(pool) == {2, 4}
    pool.load(HERO, 5)
    assert loaded_steps(pool) == {2, 5}
    pool.load(HERO, 2, pin=False)
    pool.load(HERO, 4)
    assert loaded_steps(pool) == {2, 4}


def test_one_that_can_never_fit_drives_nobody_out(mine: Realm, pools: Callable[..., Pool]) -> None:
    pool = pools(mine, max_gb=1.2 * SIZE / 1e9)
    one = pool.load(HERO, 2)
    heroes.base_path(mine, HERO)
    text = mine.hero_file(HERO).read_text().replace("hidden_size: 128", "hidden_size: 256")
    mine.hero_file("large").write_text(text)
    with pytest.raises(RefusedError, match="no memory for .* of large: it needs 0.0"):
        pool.load("large", 0)
    assert loaded_steps(pool) == {2}
    assert ask(pool, one, "say 1")


def test_the_machines_own_memory_is_a_limit_too(
    mine: Realm, pools: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pools(mine)
    assert pool.info().max_memory == 0
    assert memory.free(mine) > memory.MARGIN
    monkeypatch.setattr(memory, "MARGIN", memory.free(mine) - SIZE // 2)
    with pytest.raises(RefusedError, match="no memory for"):
        pool.load(HERO, 2)


def test_memory_that_runs_out_in_the_middle_of_a_load_leaves_the_pool_intact(
    mine: Realm, pools: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pools(mine)
    one = pool.load(HERO, 2)
    real = torch.nn.Module.to

    def fail(*_args: object, **_more: object) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(torch.nn.Module, "to", fail)
    with pytest.raises(RealmError, match="out of memory while loading"):
        pool.load(HERO, 4)
    monkeypatch.setattr(torch.nn.Module, "to", real)
    assert loaded_steps(pool) == {2}
    assert set(leases.held_now(mine)) == {f"checkpoint_{HERO}_2"}
    assert ask(pool, one, "say 1")
    assert pool.load(HERO, 4).face().step == 4


def test_what_nobody_asks_for_a_while_goes_unless_it_is_pinned(mine: Realm, pools: Callable[..., Pool]) -> None:
    pool = pools(mine, idle_minutes=0.004)
    pool.load(HERO, 4, pin=True)
    pool.load(HERO, 2)
    wait_for(lambda: loaded_steps(pool) == {4}, "the idle one to go")
    wait_for(lambda: events(mine, "oracle_unloaded"), "the event")
    assert [(fact["step"], fact["reason"]) for fact in events(mine, "oracle_unloaded")] == [(2, "nobody asked for it")]
    pool.load(HERO, 4, pin=False)
    wait_for(lambda: loaded_steps(pool) == set(), "the other to go, too")


# -- weights -----------------------------------------------------------------------------------------------------


def test_other_weights_than_those_that_were_meant_are_refused(mine: Realm, pools: Callable[..., Pool]) -> None:
    pool = pools(mine)
    with pytest.raises(RefusedError, match="has the weights"):
        pool.load(HERO, 4, sha256="f" * 64)
    assert loaded_steps(pool) == set()
    sha256 = Ledger(mine, HERO).get(4).weights_sha256
    assert pool.load(HERO, 4, sha256=sha256).face().weights_sha256 == sha256
    assert pool.find(HERO, 4, sha256).face().step == 4
    with pytest.raises(RefusedError, match=f"is loaded with the weights {sha256[:12]}, not with ffffffffffff"):
        pool.find(HERO, 4, "f" * 64)


def test_who_asks_for_other_weights_is_refused_alone(mine: Realm, pools: Callable[..., Pool]) -> None:
    pool = pools(mine)
    with ThreadPoolExecutor(3) as threads:
        with pool._one_load:  # as long as another checkpoint is loaded
            wrong = threads.submit(pool.load, HERO, 4, sha256="f" * 64)
            wait_for(lambda: pool.info().loading == [f"{HERO}@step-4"], "the first to ask")
            right = [threads.submit(pool.load, HERO, 4), threads.submit(pool.load, HERO, 4, pin=True)]
            wait_for(lambda: all(each.running() for each in right), "the others")
            assert pool.info().loading == [f"{HERO}@step-4"]
        assert len({id(each.result()) for each in right}) == 1
        with pytest.raises(RefusedError, match="not ffffffffffff"):
            wrong.result()
    assert len(events(mine, "oracle_loaded")) == 1


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "trainer_state.json"])
def test_a_checkpoint_with_any_changed_file_is_not_loaded(mine: Realm, pools: Callable[..., Pool], name: str) -> None:
    pool = pools(mine)
    one = pool.load(HERO, 2)
    file = Ledger(mine, HERO).here(4)[1] / name
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(FormatError, match=f"{name} has changed"):
        pool.load(HERO, 4)
    assert loaded_steps(pool) == {2}
    assert set(leases.held_now(mine)) == {f"checkpoint_{HERO}_2"}
    assert ask(pool, one, "say 1")


def test_a_checkpoint_that_is_deleted_meanwhile_answers_on_and_says_so(mine: Realm, pools: Callable[..., Pool]) -> None:
    pool = pools(mine)
    one = pool.load(HERO, 4)
    before = ask(pool, one, "say 1")
    shutil.rmtree(Ledger(mine, HERO).here(4)[1])
    Ledger(mine, HERO).bury(4, "a test")
    assert ask(pool, one, "say 1") == before
    assert pool.load(HERO, 4) is one
    assert one.face().note == "its files were deleted meanwhile; it answers from memory"


def test_a_step_that_was_trained_again_is_another_checkpoint(mine: Realm, pools: Callable[..., Pool]) -> None:
    pool, ledger = pools(mine), Ledger(mine, HERO)
    old = pool.load(HERO, 4)
    record, folder = ledger.here(4)
    other, _ = ledger.here(5)
    shutil.rmtree(folder)
    shutil.copytree(ledger.here(5)[1], folder)
    ledger.record(type(record).from_dict({**record.to_dict(), "weights_sha256": other.weights_sha256}, "a test"))
    new = pool.load(HERO, 4)
    assert {model.weights_sha256 for model in pool.info().models} == {record.weights_sha256, other.weights_sha256}
    assert pool.find(HERO, 4, None) is new
    assert pool.find(HERO, 4, record.weights_sha256) is old


# -- requests ----------------------------------------------------------------------------------------------------


def test_unloading_waits_for_what_is_answered_and_takes_nothing_new(mine: Realm, pools: Callable[..., Pool]) -> None:
    pool = pools(mine)
    one = pool.load(HERO, 4, pin=True)
    with ThreadPoolExecutor(1) as threads:
        with pool.asked(one, Wanted([turns(LONG)], 150), lambda: False) as request:
            gone = threads.submit(pool.unload, HERO, 4)
            wait_for(lambda: loaded_steps(pool) == set(), "the unloading to begin")
            with pytest.raises(NotFoundError, match="unloaded just now"), pool.asked(one, Wanted([], 1), lambda: False):
                pass
            assert not gone.done()
            assert request.all()[0].tokens == 150
        assert gone.result().step == 4
    assert leases.held_now(mine) == {}
    with pytest.raises(NotFoundError, match="not loaded"):
        pool.unload(HERO, 4)


def test_a_request_whose_client_has_gone_or_whose_time_is_over_is_dropped(
    mine: Realm, pools: Callable[..., Pool]
) -> None:
    pool = pools(mine)
    one = pool.load(HERO, 4)
    wanted = [turns(LONG)]
    with pytest.raises(GoneError), pool.asked(one, Wanted(wanted, 2000), lambda: True) as request:
        request.all()
    with (
        pytest.raises(AwayError, match=r"took longer than 0.1 s"),
        pool.asked(one, Wanted(wanted, 2000, seconds=0.1), lambda: False) as request,
    ):
        request.all()
    wait_for(lambda: not one.worker._places, "both to leave the batch")
    assert one.worker.tokens == 0
    assert pool.running() == []
    assert len(ask(pool, one, "say 1")) == 1


def test_a_conversation_that_is_refused_fails_its_own_request_alone(mine: Realm, pools: Callable[..., Pool]) -> None:
    pool = pools(mine)
    one = pool.load(HERO, 4)
    bad = Wanted([[Message("user", "a")], [Message("usr", "b")]], 5)
    with pool.asked(one, Wanted([turns(LONG)], 60), lambda: False) as other:
        with pytest.raises(RealmError, match="conversation 2: 'usr' is not a role"), pool.asked(one, bad, lambda: False) as request:  # fmt: skip
            request.all()
        assert other.all()[0].tokens == 60


def test_a_step_that_fails_fails_what_runs_and_the_next_request_is_answered(
    mine: Realm, pools: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pools(mine)
    one = pool.load(HERO, 4)
    session: Any = one.worker._session

    def fail() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(session, "step", fail)
    with pytest.raises(RealmError, match="the back end failed: RuntimeError: CUDA error"):
        ask(pool, one, "say 1", "say 2")
    assert len(ask(pool, one, "say 1")) == 1
    assert not one.worker.is_stuck()
    one.worker._stepping_since = -STUCK_SECONDS
    assert pool.stuck() == [f"{HERO}@step-4"]
    one.worker._stepping_since = None


def test_a_large_request_keeps_no_other_waiting(mine: Realm, pools: Callable[..., Pool]) -> None:
    pool = pools(mine)
    one = pool.load(HERO, 4)
    many, few = (Wanted([turns(f"{LONG}{n}") for n in range(count)], max_tokens=30) for count in (5000, 100))
    with pool.asked(one, many, lambda: False) as large:
        wait_for(lambda: large.tokens > 0, "the large one to begin")
        assert ask(pool, one, "say 2")[0].tokens == 6
        with pool.asked(one, few, lambda: False) as small:
            assert len(small.all()) == 100
        # Both came when all places were taken, and ended before the first one had had its turn.
        assert large.open > 1000
        large.give_up()
    assert ask(pool, one, "say 3")[0].tokens == 6


def test_what_cannot_be_answered_ends_its_own_request_alone(mine: Realm, pools: Callable[..., Pool]) -> None:
    pool = pools(mine)
    one = pool.load(HERO, 4)
    good, wrong = Wanted([turns(LONG)] * 3, max_tokens=40), Wanted([turns("say 1"), []], max_tokens=40)
    with pool.asked(one, good, lambda: False) as other, pool.asked(one, wrong, lambda: False) as refused:
        with pytest.raises(UsageError, match="conversation 2 has to end"):
            refused.all()
        assert len(other.all()) == 3
