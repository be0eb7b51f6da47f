"""The guild's pages: standings, evals item by item, forging, the champion; hostile replies stay text."""

from __future__ import annotations

import msgspec
import pytest
from flask.testing import FlaskClient

from realm_cli import champions, skillstate, store
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.skill_records import SparringRecord, SparringRun, SparringSample
from realm_guild import results
from realm_guild_heroes import HERO, FakeBattle, first, tune
from realm_tavern.app import make_app

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def client(realm: Realm) -> FlaskClient:
    """A browser without scripts, on the Tavern of a hero that mastered level 1."""
    tune(realm, eval={"size": 60})
    battle = FakeBattle(realm)
    for step in (1, 2, 3):
        battle.stands_at(step)
    return make_app(Realm(realm.root), Manager.of(realm)).test_client()


def page(client: FlaskClient, path: str) -> str:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_levels_intervals_and_closed_ones_are_shown(client: FlaskClient) -> None:
    text = page(client, "/guild")
    for part in ("level 2 of 30", "closed", "mastered", "step 3", "chosen by guild"):
        assert part in text, part
    overview = client.get("/api/guild").json
    assert overview is not None
    skill, locked = overview["skills"]
    assert (locked["id"], locked["locked_by"]) == ("sy", {"bin": 10})
    assert (skill["level"], skill["mastered"][0]["level"], skill["closed"]) == (2, 1, True)
    assert overview["champion"]["step"] == 3


def test_every_item_of_an_eval_is_shown_with_its_verdict(client: FlaskClient) -> None:
    text = page(client, "/skill/bin")
    assert "/skill/bin?step=3&amp;level=1" in text
    text = page(client, "/skill/bin?step=3&level=1")
    assert "60 of 60 right" in text or "right</strong>: 100 %" in text
    answer = client.get("/api/skills/bin/evals?step=3&level=1").json
    assert answer is not None
    assert len(answer["items"]) == 50
    assert answer["last_page"] == 2
    second = client.get("/api/skills/bin/evals?step=3&level=1&page=2").json
    assert second is not None
    assert len(second["items"]) == answer["eval"]["size"] - 50
    assert all(item["correct"] for item in [*answer["items"], *second["items"]])


def test_what_a_hero_replies_stays_text(realm: Realm, client: FlaskClient) -> None:
    result = results.read(realm, HERO, 3, "bin", 1)
    assert result is not None
    items = [msgspec.structs.replace(item, reply=SCRIPT * 30, reason=SCRIPT, correct=False) for item in result.items]
    store.write_record(
        results.path_of(realm, HERO, 3, "bin", 1),
        msgspec.structs.replace(result, items=items, flagged=SCRIPT, reason=SCRIPT, state="invalid"),
    )
    text = page(client, "/skill/bin?step=3&level=1")
    assert SCRIPT not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/skill/nope", 404), ("/skill/..%2f..%2fetc", 404), ("/skill/bin?step=99&level=1", 404),
        ("/skill/bin?step=x&level=1", 400), ("/skill/bin?step=3", 400), ("/skill/bin?step=-1&level=1", 400),
        ("/skill/bin?step=3&level=1&page=x", 400), ("/api/skills/bin/evals", 400), ("/api/skills/%00", 404),
        ("/guild?fragment=x", 404),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_said(client: FlaskClient, path: str, status: int) -> None:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == status, answer.text
    assert "Traceback" not in answer.text


def test_a_locked_and_a_broken_skill_are_named(realm: Realm, client: FlaskClient) -> None:
    config = realm.skills / "bin.yaml"
    config.write_text(config.read_text() + "\nunlock: {zap: 5}\n")
    (realm.skills / "zap.yaml").write_text("id: zap\n")
    shown = page(client, "/guild")
    assert "locked until zap level 5 is mastered" in shown
    assert "cannot be used" in shown
    assert "level 2 of 30" in shown


def test_forging_puts_another_quest_on_the_board_every_time(realm: Realm, client: FlaskClient) -> None:
    before = len(list(Board(realm).records()))
    for _ in range(2):
        answer = client.post("/api/forge", json={"skill": "bin", "count": 30, "priority": "high"})
        assert answer.status_code == 200, answer.text
        assert answer.json is not None
        assert (answer.json["level"], answer.json["samples"]) == (2, 30)
    assert len(list(Board(realm).records())) == before + 2
    for wrong in (
        {"skill": "nope"},
        {"skill": "bin", "level": 99},
        {"skill": "bin", "count": 0},
        {"skill": "bin", "priority": "x"},
    ):
        assert client.post("/api/forge", json=wrong).status_code in (400, 404), wrong
    assert len(list(Board(realm).records())) == before + 2


def test_a_champion_is_promoted_or_refused_with_the_reason(realm: Realm, client: FlaskClient) -> None:
    FakeBattle(realm).stands_at(4, first(5))
    folder = realm.hero_folder() / Ledger(realm).get(4).canonical_name
    folder.mkdir(parents=True, exist_ok=True)
    refused = client.post("/api/champion", json={"step": 4})
    assert refused.status_code == 409
    assert "cannot be champion" in refused.text
    assert client.post("/api/champion", json={"step": 77}).status_code == 404
    chosen = client.post("/api/champion", json={"step": 4, "override": "I like it"})
    assert chosen.status_code == 200, chosen.text
    record = champions.read(realm, HERO)
    assert record is not None
    assert (record.step, record.override) == (4, "I like it")
    assert "I like it" in page(client, "/guild")


def test_looking_changes_nothing(realm: Realm, client: FlaskClient) -> None:
    def files() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(realm.status.rglob("*.json")) if path.is_file()}

    before = files()
    for path in (
        "/guild",
        "/guild?fragment=skills",
        "/skill/bin",
        "/skill/bin?step=3&level=1",
        "/api/guild",
        "/api/skills/bin",
    ):
        page(client, path)
    assert files() == before


def test_the_last_sparrings_are_shown_newest_first_with_wrong_answers(client: FlaskClient, realm: Realm) -> None:
    assert "Sparring" not in page(client, "/guild")
    run = SparringRun(
        at="2026-01-01T00:00:00.000+00:00", hero=HERO, step=1, weights_sha256="0" * 64, skill="bin", level=2, count=100,
        asked=100, wrong=40, empty=2, known=3, rows=105, quest="0123456789ab", samples=[SparringSample("Compute: x", "x = ①", SCRIPT)],
    )  # fmt: skip
    runs = [msgspec.structs.replace(run, step=step) for step in range(1, 8)]
    runs.append(msgspec.structs.replace(run, hero="other", step=99))
    store.write_record(skillstate.sparring_path(realm), SparringRecord(runs=runs))
    text = page(client, "/guild")
    for part in (
        "Sparring", "40 of 100 (40 %)", "no rows for 2 empty, 3 known from before", '<a href="/quests/0123456789ab">105 rows</a>',
        "Compute: x", "x = ①", "all 7 sparrings",
    ):  # fmt: skip
        assert part in text, part
    assert text.count("wrong answers at step") == 5
    assert SCRIPT not in text
    assert page(client, "/guild?fragment=sparring").count("wrong answers at step") == 5
    assert page(client, "/guild/sparring").count("wrong answers at step") == 7
    assert SCRIPT not in page(client, "/guild/sparring")
    assert "none yet" in page(client, "/guild/sparring?page=2")
    overview = client.get("/api/guild").json
    assert overview is not None
    assert [one["step"] for one in overview["sparring"]] == [7, 6, 5, 4, 3]
