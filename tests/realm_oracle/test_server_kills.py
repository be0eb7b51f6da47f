"""`realm oracle serve` under kills, without memory, beyond the loopback interface."""

from __future__ import annotations

import resource
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from helpers import wait_for
from realm_cli import heroes, leases, services
from realm_cli.errors import AwayError, NotFoundError, RealmError, RefusedError
from realm_cli.generation import Generator
from realm_cli.oracleclient import OracleClient, find_oracle
from realm_cli.realm import Realm
from realm_oracle_boxes import HERO, OracleProcess
from realm_oracle_realms import LONG, STEPS, configure, turns

# -- kills and other bad luck ------------------------------------------------------------------------------------


def answers_after_a_restart(realm: Realm, alone: Generator) -> None:
    """Nothing of the killed server is in the way of the next."""
    process = OracleProcess(realm)
    try:
        assert process.client.info().models == []
        process.client.load(4)
        expected = alone.generate([turns("say 5")], max_tokens=7)[0].text
        assert process.client.chat(turns("say 5"), 4, max_tokens=7).response == expected
        assert set(leases.held_now(realm)) == {f"checkpoint_{HERO}_4"}
        assert process.client.unload(4).step == 4
        assert leases.held_now(realm) == {}
    finally:
        process.end()


def test_a_kill_in_the_middle_of_a_load_leaves_nothing_behind(
    mine: Realm, serving: OracleProcess, alone: Generator
) -> None:
    with ThreadPoolExecutor(1) as threads:
        # The first load brings torch in, which takes long enough to be caught in it.
        load = threads.submit(serving.client.load, 4)
        wait_for(lambda: serving.client.info().loading == [f"{HERO}@step-4"], "the load to begin")
        wait_for(lambda: list((mine.status / "leases").glob("*.json")), "the lease")
        serving.end(signal.SIGKILL)
        with pytest.raises(AwayError):
            load.result()
    assert services.running(mine, "oracle") is None
    with pytest.raises(NotFoundError, match="the Oracle does not run here"):
        find_oracle(mine)
    answers_after_a_restart(mine, alone)


def test_a_kill_in_the_middle_of_a_stream_and_of_a_batch_is_told_to_the_clients(
    mine: Realm, serving: OracleProcess, alone: Generator
) -> None:
    serving.client.load(4)
    pieces = serving.client.chat_stream(turns(LONG), 4, max_tokens=2000)
    first = next(pieces)
    with ThreadPoolExecutor(1) as threads:
        batch = threads.submit(serving.client.chat_batch, [turns(LONG)] * 100, 4, max_tokens=2000)
        wait_for(lambda: {each.kind for each in serving.client.running()} == {"stream", "batch"}, "both to run")
        serving.end(signal.SIGKILL)
        with pytest.raises(AwayError):
            batch.result()
    assert isinstance(first, str)
    with pytest.raises(AwayError, match="in the middle of a reply"):
        list(pieces)
    answers_after_a_restart(mine, alone)


def test_an_end_that_is_asked_for_tells_those_who_wait(mine: Realm, serving: OracleProcess) -> None:
    serving.client.load(4)
    with ThreadPoolExecutor(1) as threads:
        batch = threads.submit(serving.client.chat_batch, [turns(LONG)] * 100, 4, max_tokens=2000)
        wait_for(lambda: serving.client.running(), "it to run")
        serving.end(signal.SIGTERM)
        with pytest.raises(AwayError):
            batch.result()
    assert serving.process.returncode == 0
    assert leases.held_now(mine) == {}


def test_memory_that_runs_out_for_real_is_told_and_the_pool_answers_on(mine: Realm) -> None:
    text = mine.hero_file(HERO).read_text()
    for old, new in (("hidden_size: 128", "hidden_size: 1024"), ("intermediate_size: 384", "intermediate_size: 4096")):
        assert old in text
        text = text.replace(old, new)
    mine.hero_file("large").write_text(text)
    heroes.base_path(mine, "large")
    process = OracleProcess(mine)
    try:
        process.client.load(4)
        answer = process.client.chat(turns("say 1"), 4, max_tokens=5)
        pid = process.process.pid
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + 60_000_000
        resource.prlimit(pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
        with pytest.raises(RealmError, match=r"memory"):
            process.client.load(0, hero="large")
        assert [model.step for model in process.client.info().models] == [4]
        assert process.client.chat(turns("say 1"), 4, max_tokens=5) == answer
        resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert process.client.load(0, hero="large").memory > 100_000_000
        assert process.client.chat(turns("say 1"), 4, max_tokens=5) == answer
    finally:
        process.end(signal.SIGKILL)


def test_a_question_may_load_where_the_configuration_says_so(mine: Realm) -> None:
    configure(mine, load_on_request=True)
    process = OracleProcess(mine)
    try:
        assert process.client.chat(turns("say 1"), STEPS[0], max_tokens=2).step == STEPS[0]
        with openai.OpenAI(base_url=f"{process.url}/v1", api_key="none", max_retries=0) as theirs:
            done = theirs.completions.create(model=f"{HERO}@champion", prompt="x", max_tokens=2)
        assert done.model == f"{HERO}@step-4"
        with pytest.raises(NotFoundError, match="no checkpoint at step 3"):
            process.client.chat(turns("say 1"), 3)
    finally:
        process.end()


def test_beyond_the_loopback_interface_the_token_is_asked_for(mine: Realm) -> None:
    process = OracleProcess(mine, extra=("--host", "0.0.0.0"))
    try:
        with pytest.raises(RefusedError, match="asks for its token"):
            OracleClient(process.url).info()
        assert find_oracle(mine).info().models == []
        with (
            openai.OpenAI(base_url=f"{process.url}/v1", api_key="wrong", max_retries=0) as theirs,
            pytest.raises(openai.AuthenticationError),
        ):
            theirs.models.list()
        token = (mine.status / "web.token").read_text().strip()
        with openai.OpenAI(base_url=f"{process.url}/v1", api_key=token, max_retries=0) as theirs:
            assert list(theirs.models.list()) == []
    finally:
        process.end()


def test_a_server_that_does_not_run_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(AwayError, match="does not answer"):
        OracleClient(f"127.0.0.1:{port}").info()
    assert not OracleClient(f"127.0.0.1:{port}").is_available()
