"""`/metrics`: the snapshot's numbers, read back by Prometheus' own parser."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from helpers import TavernProcess
from realm_cli import services, status
from realm_cli.exposition import Metric, render
from realm_cli.gpus import Gpu
from realm_cli.manager import Manager
from realm_cli.process import this_process
from realm_cli.realm import Realm
from realm_cli.records import TrainingStatus, now
from realm_cli.watchtower import gaze
from realm_guild_heroes import HERO, checkpoint
from realm_tavern import numbers

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(text: str) -> Samples:
    """Every sample by name and labels; each family has to say what it is."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.type in ("gauge", "counter")
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


@pytest.fixture
def fighting(realm: Realm) -> Realm:
    checkpoint(realm, 900)
    training = TrainingStatus(
        state="training", hero=HERO, step=1234, loss=0.05, smoothed_loss=0.04, val_loss=0.5, tokens_per_s=8765.4,
        process=this_process(), heartbeat=now(),
    )  # fmt: skip
    status.write(realm, training)
    services.announce(realm, "vault", "http://127.0.0.1:1")
    return realm


@pytest.fixture
def opened(fighting: Realm) -> Iterator[TavernProcess]:
    made = TavernProcess(fighting, "--port", "0")
    yield made
    made.end()


def test_the_numbers_of_the_realm_are_read_by_prometheus(opened: TavernProcess) -> None:
    with urllib.request.urlopen(f"{opened.url}/health"):
        pass
    with urllib.request.urlopen(f"{opened.url}/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        found = parsed(answer.read().decode())
    hero = (("hero", HERO),)
    expected = {
        ("realm_hero_step", hero): 1234, ("realm_hero_loss", hero): 0.04, ("realm_hero_val_loss", hero): 0.5,
        ("realm_battle_tokens_per_second", ()): 8765.4, ("realm_battle_running", ()): 1,
        ("realm_battle_state", (("state", "training"),)): 1, ("realm_battle_state", (("state", "dead"),)): 0,
        ("realm_board_quests", (("state", "high"),)): 0, ("realm_skill_level", (("skill", "bin"),)): 1,
        ("realm_service_up", (("service", "tavern"),)): 1, ("realm_service_up", (("service", "vault"),)): 1,
        ("realm_pending_evals", ()): 0, ("realm_tavern_answers_total", (("status", "200"),)): 1,
    }  # fmt: skip
    assert {key: found.get(key) for key in expected} == expected
    assert 0 < found["realm_disk_free_bytes", ()] < found["realm_disk_size_bytes", ()]


def test_gpus_have_their_numbers_and_what_a_card_does_not_tell_is_left_out(fighting: Realm) -> None:
    from msgspec import to_builtins

    card = Gpu(index=0, uuid="u", name='RTX "4090" \\', memory_used=5, memory_total=10, utilisation=90)
    gauges = {"disk": {"free": 1, "total": 2}, "gpus": [to_builtins(card)]}
    found = parsed(render(numbers.of(gaze(fighting, Manager.of(fighting)), gauges, 3)))
    label = (("gpu", "0"), ("name", 'RTX "4090" \\'))
    assert found["realm_gpu_memory_used_bytes", label] == 5
    assert found["realm_gpu_utilisation_percent", label] == 90
    assert ("realm_gpu_temperature_celsius", label) not in found
    assert found["realm_tavern_open_streams", ()] == 3


def test_every_state_of_a_battle_is_among_the_labels(fighting: Realm) -> None:
    found = parsed(
        render(numbers.of(gaze(fighting, Manager.of(fighting)), {"disk": {"free": 1, "total": 2}, "gpus": []}, 0))
    )
    states = {labels[0][1]: value for (name, labels), value in found.items() if name == "realm_battle_state"}
    assert states == {state: float(state == "training") for state in numbers.STATES}


def test_strange_values_and_labels_survive_the_format() -> None:
    metric = Metric("x", 'two\nlines \\ "', samples=[({"a": 'b"\\\n'}, float("inf")), ({"a": "c"}, 1e300)])
    (family,) = text_string_to_metric_families(render([metric, Metric("empty", "nothing")]))
    assert family.documentation == 'two\nlines \\ "'
    assert [(sample.labels["a"], sample.value) for sample in family.samples] == [('b"\\\n', float("inf")), ("c", 1e300)]
