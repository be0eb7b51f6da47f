"""Evals on a second box: a real sshd, a real server there, checkpoints that go through the vault, and outages."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import pytest

from helpers import realm_line, wait_for
from realm_cli import champions, checkpoints, skillstate, store
from realm_cli.errors import AwayError, RealmError
from realm_cli.generation import Message
from realm_cli.hosts import hosts_file
from realm_cli.inference import host_of, open_checkpoint
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_guild import requests
from realm_oracle import warmup
from realm_oracle.remote import weights_of
from realm_oracle_boxes import FAR, HERO, TwoBoxes, train
from realm_tavern.app import make_app

ASK = [[Message("user", "Compute: add(①, ①)")]]


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoBoxes]:
    """Two machines. The first has trained; its evals wait for the second."""
    made = TwoBoxes(tmp_path_factory.mktemp("boxes"))
    train(made.here, "1", "2", "3")
    yield made
    made.close()


@pytest.fixture(scope="module")
def own(boxes: TwoBoxes) -> Realm:
    """The first machine as it would be without the second: it has made its evals itself."""
    realm = boxes.copy("own")
    hosts_file(realm).unlink()
    made = boxes.run("skill", "eval", "--pending", realm=realm)
    assert made.code == 0, made.err
    return realm


@pytest.fixture
def reached(boxes: TwoBoxes, monkeypatch: pytest.MonkeyPatch) -> TwoBoxes:
    """The same, with ssh that reaches the second from this process."""
    for name, value in boxes.box.environment().items():
        monkeypatch.setenv(name, value)
    return boxes


def waiting(realm: Realm) -> set[int]:
    return {request.step for _, request in requests.pending(realm)}


def levels(realm: Realm) -> list[tuple[int, int, list[int]]]:
    state = skillstate.read(realm, HERO, "bin")
    return [(one.level, one.step, one.steps) for one in state.mastered] if state else []


def scores(realm: Realm, level: int) -> dict[int, int]:
    """Right answers at each step."""
    return {line.step: line.correct for line in skillstate.lines(realm, HERO, "bin") if line.level == level}


def test_a_battle_asks_for_evals_and_goes_on(boxes: TwoBoxes) -> None:
    assert host_of(boxes.here) == FAR
    assert len(Ledger(boxes.here).steps()) == len(waiting(boxes.here)) == 3
    assert skillstate.lines(boxes.here, HERO, "bin") == []


def test_while_the_second_box_is_away_evals_wait_with_the_reason(boxes: TwoBoxes) -> None:
    before = waiting(boxes.here)
    ran = boxes.run("skill", "eval", "--pending")
    assert ran.code == 0
    assert "stay pending: the Oracle at http://127.0.0.1" in ran.err
    assert "does not answer" in ran.err
    assert waiting(boxes.here) == before
    assert skillstate.lines(boxes.here, HERO, "bin") == []
    assert not list((boxes.here.evals / HERO).glob("*/*.json"))
    assert {"does not answer" in request.reason for _, request in requests.pending(boxes.here)} == {True}
    asked = boxes.run("skill", "eval", "bin", "--level", 1)
    assert (asked.code, "does not answer" in asked.err) == (1, True)


def test_evals_of_the_second_box_give_the_levels_that_the_battle_gives(boxes: TwoBoxes, own: Realm) -> None:
    far = boxes.copy("complete")
    with boxes.answering():
        ran = boxes.run("skill", "eval", "--pending", realm=far)
    assert ran.code == 0, ran.err
    assert ran.err == ""
    assert waiting(far) == set()
    assert levels(far) == levels(own) != []
    assert scores(far, 1) == scores(own, 1)
    for step in scores(far, 1):
        result = store.parse_json((far.evals / HERO / str(step) / "bin-1.json").read_bytes(), "")
        assert result["weights_sha256"] == Ledger(far).get(step).weights_sha256
        assert [path.name for path in (boxes.far.hero_folder(HERO)).glob(f"checkpoint-{step}-*")] == [
            Ledger(far).get(step).canonical_name
        ]
    champion, expected = champions.read(far, HERO), champions.read(own, HERO)
    assert (champion and champion.step) == (expected and expected.step)


def test_a_box_that_is_killed_in_the_middle_leaves_the_rest_pending(boxes: TwoBoxes, own: Realm) -> None:
    realm = boxes.copy("cut")
    oracle = boxes.switch_on()
    maker = subprocess.Popen(
        realm_line("skill", "eval", "--pending", realm=realm), env=boxes.box.environment(), stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    wait_for(lambda: skillstate.lines(realm, HERO, "bin"), "the first eval")
    oracle.end(signal.SIGKILL)
    _, said = maker.communicate(timeout=120)
    assert maker.returncode == 0, said
    made, left = set(scores(realm, 1)), waiting(realm)
    assert made
    assert left, "the box ended after all evals"
    assert "stay pending" in said
    assert {line.state for line in skillstate.lines(realm, HERO, "bin")} == {"ok"}
    with boxes.answering():
        again = boxes.run("skill", "eval", "--pending", realm=realm)
    assert again.code == 0, again.err
    assert waiting(realm) == set()
    assert scores(realm, 1) == scores(own, 1)
    assert levels(realm) == levels(own)


def test_whoever_makes_evals_and_is_killed_leaves_them_to_the_next(boxes: TwoBoxes, own: Realm) -> None:
    realm = boxes.copy("killed")
    with boxes.answering():
        maker = subprocess.Popen(
            realm_line("skill", "eval", "--pending", realm=realm), env=boxes.box.environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(lambda: skillstate.lines(realm, HERO, "bin"), "the first eval")
        maker.kill()
        maker.wait()
        again = boxes.run("skill", "eval", "--pending", realm=realm)
    assert again.code == 0, again.err
    assert waiting(realm) == set(), again.err
    assert levels(realm) == levels(own)
    assert scores(realm, 1) == scores(own, 1)


def test_replies_name_the_weights_that_the_ledger_names(reached: TwoBoxes) -> None:
    realm = reached.here
    manager, step = Manager.of(realm), Ledger(realm).get_latest().step
    with reached.answering() as oracle:
        generator = open_checkpoint(realm, manager, HERO, step)
        (reply,) = generator.generate(ASK, max_tokens=8)
        assert reply.weights_sha256 == generator.weights_sha256 == weights_of(realm, HERO, step)
        assert (reply.hero, reply.step) == (HERO, step)
        oracle.client.unload(step, hero=HERO)
        assert generator.generate(ASK, max_tokens=8) == [reply]  # loaded again by itself
        base = open_checkpoint(realm, manager, HERO, 0)
        assert base.generate(ASK, max_tokens=8)[0].weights_sha256 == weights_of(realm, HERO, 0)
    with pytest.raises(AwayError, match="does not answer"):
        generator.generate(ASK, max_tokens=8)
    with pytest.raises(AwayError, match="does not answer"):
        open_checkpoint(realm, manager, HERO, step)


def test_other_weights_under_the_same_step_are_refused(reached: TwoBoxes) -> None:
    realm = reached.copy("other weights")
    record = Ledger(realm).get_latest()
    wrong = store.read_record(realm.ledger / HERO / f"{record.step}.json", type(record))
    store.write_record(
        realm.ledger / HERO / f"{record.step}.json",
        type(record).from_dict({**wrong.to_dict(), "weights_sha256": "ab" * 32}, "test"),
    )
    with reached.answering(), pytest.raises(RealmError) as caught:
        open_checkpoint(realm, Manager.of(realm), HERO, record.step)
    assert not isinstance(caught.value, AwayError)
    assert "abababababab" in caught.value.message or record.weights_sha256[:12] in caught.value.message
    requests.ask(realm, HERO, record.step, "bin", 1, "training")
    with reached.answering():
        ran = reached.run("skill", "eval", "--pending", realm=realm)
    assert f"evals of {HERO} at step {record.step} stay pending" in ran.err
    assert record.step in waiting(realm)
    assert record.step not in scores(realm, 1)


def test_a_checkpoint_that_was_damaged_there_is_refused(reached: TwoBoxes) -> None:
    realm = reached.here
    step = Ledger(realm).steps()[1]
    with reached.answering() as oracle:
        open_checkpoint(realm, Manager.of(realm), HERO, step)
        oracle.client.unload(step, hero=HERO)
        (folder,) = reached.far.hero_folder(HERO).glob(f"checkpoint-{step}-*")
        model = folder / "model.safetensors"
        whole = model.read_bytes()
        model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        try:
            with pytest.raises(RealmError) as caught:
                open_checkpoint(realm, Manager.of(realm), HERO, step)
            assert "another content" in caught.value.message  # the push notices it
        finally:
            model.write_bytes(whole)
    assert checkpoints.open_checkpoint(folder).step == step


def test_the_taverns_page_loads_and_talks_there(reached: TwoBoxes) -> None:
    realm = reached.here
    client, step = make_app(realm, Manager.of(realm)).test_client(), Ledger(realm).get_latest().step
    away = client.post("/oracle/load", json={"step": step, "host": FAR})
    assert (away.status_code, (away.json or {})["success"]) == (503, False)
    with reached.answering():
        loaded = client.post("/oracle/load", json={"step": step, "host": FAR}).json or {}
        assert (loaded["success"], loaded["weights_sha256"]) == (True, weights_of(realm, HERO, step))
        said = client.post("/oracle/chat", json={"step": step, "host": FAR, "message": "hello"}).json or {}
        assert (said["success"], said["weights_sha256"]) == (True, loaded["weights_sha256"])
        hosts = (client.get("/oracle/status").json or {})["hosts"]
        assert [model["step"] for model in hosts[FAR]["loaded_models"]] == [step]
        assert "the Oracle does not run here" in hosts["here"]["reason"]


def test_a_chat_goes_to_the_second_box_or_says_that_it_does_not(boxes: TwoBoxes) -> None:
    step = Ledger(boxes.here).get_latest().step
    with boxes.answering():
        ran = boxes.run("oracle", "chat", "--step", step, "--json", "hello")
        assert (ran.code, ran.err) == (0, "")
        assert ran.json["where"] == FAR
        assert ran.json["weights_sha256"] == weights_of(boxes.here, HERO, step)
    away = boxes.run("oracle", "chat", "--step", step, "--json", "hello")
    assert away.code == 0
    assert f"{FAR} is away" in away.err
    assert (away.json["where"], away.json["response"]) == ("this process", ran.json["response"])
    strict = boxes.run("oracle", "chat", "--step", step, "--host", FAR, "hello")
    assert (strict.code, "does not answer" in strict.err) == (1, True)


def test_a_new_champion_is_loaded_there_beside_its_promotion(reached: TwoBoxes) -> None:
    realm = reached.copy("crowned")
    assert warmup.TASK.idle(realm) == f"{HERO} has no champion"
    away = reached.run("champion", "promote", "--override", "a test", "--json", realm=realm)
    assert away.code == 0, away.err
    assert "the inference host does not load it yet" in away.err
    assert warmup.TASK.idle(realm) == ""
    with reached.answering() as oracle:
        before = Ledger(realm).steps()[1]
        ran = reached.run("champion", "promote", before, "--override", "a test", realm=realm)
        assert ran.code == 0, ran.err
        assert f"{FAR} loads it now" in ran.err
        wait_for(lambda: before in [model.step for model in oracle.client.info().models], "the champion to be loaded")
        assert warmup.TASK.run(realm, Manager.of(realm)).endswith(f"is loaded on {FAR}")
