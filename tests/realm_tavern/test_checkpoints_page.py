"""The ledger's pages: sorted, filtered and paged lists of real records, one checkpoint with all that is known of it."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from realm_cli import champions, checkpoints, skillstate, store
from realm_cli.checkpoint_records import QuestShare
from realm_cli.ledger import Ledger
from realm_cli.ledgerview import LedgerView
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skill_records import ChampionRecord, EvalLine, Mastery, SkillState
from realm_guild_heroes import HERO, checkpoint, weights_of
from realm_tavern.app import make_app
from realm_tavern_quests import HOSTILE

PAGE = {"Accept": "text/html"}


@pytest.fixture
def client(realm: Realm) -> FlaskClient:
    """A program that talks to the Tavern, without a server."""
    return make_app(realm, Manager.of(realm)).test_client()


def share(number: int, samples: int = 100, *, completed: bool = True) -> QuestShare:
    return QuestShare(f"{number:012x}", f"quest {number}.jsonl", "a" * 64, samples, completed)


def trained(realm: Realm, count: int = 5) -> Ledger:
    """Checkpoints at 100, 200 … where the newer ones are larger, and every other one has a val_loss."""
    parent = ""
    for n in range(1, count + 1):
        facts: dict[str, Any] = {
            "train_loss": round(1 / n, 6), "val_loss": 1 - n / 1000 if n % 2 else None, "size": 1000 + n,
            "created_at": f"2026-01-01T{n // 60:02}:{n % 60:02}:00.000+00:00", "parent": parent,
            "saved_for": "quest_end" if n % 2 else "interval", "skill_name": "bin" if n % 3 else "",
            "quests": [share(n // 2), share(n)], "training_file": f"quest {n}.jsonl",
        }  # fmt: skip
        parent = checkpoint(realm, 100 * n, **facts).canonical_name
    return Ledger(realm, HERO)


def steps(client: FlaskClient, query: str = "") -> list[int]:
    answer = client.get(f"/api/checkpoints?{query}")
    assert answer.status_code == 200, answer.text
    return [row["step"] for row in answer.get_json()["checkpoints"]]


# -- the list ------------------------------------------------------------------------------------------------------


def test_it_sorts_by_every_column_and_what_has_no_value_comes_last(realm: Realm, client: FlaskClient) -> None:
    trained(realm)
    newest, oldest = [500, 400, 300, 200, 100], [100, 200, 300, 400, 500]
    assert steps(client) == newest
    assert steps(client, "order=asc") == oldest
    for column in ("size", "created_at"):
        assert steps(client, f"sort={column}") == newest
        assert steps(client, f"sort={column}&order=asc") == oldest
    assert steps(client, "sort=train_loss") == newest
    assert steps(client, "sort=train_loss&order=desc") == oldest
    assert steps(client, "sort=val_loss") == [500, 300, 100, 400, 200]
    assert steps(client, "sort=val_loss&order=desc") == [100, 300, 500, 400, 200]


def test_the_heads_link_to_both_orders_and_keep_the_filter(realm: Realm, client: FlaskClient) -> None:
    trained(realm)
    page = client.get("/checkpoints?sort=val_loss&quest=quest", headers=PAGE).text
    assert 'href="/checkpoints?sort=val_loss&amp;order=desc&amp;quest=quest"' in page
    assert 'href="/checkpoints?sort=train_loss&amp;order=asc&amp;quest=quest"' in page
    assert 'href="/checkpoints?order=desc&amp;quest=quest"' in page
    assert 'aria-sort="ascending"' in page


def test_filters_are_joined(realm: Realm, client: FlaskClient) -> None:
    trained(realm, 12)
    assert steps(client, "skill=bin&saved_for=interval") == [1000, 800, 400, 200]
    assert steps(client, "quest=QUEST 6.j") == [1200, 600]
    assert steps(client, "quest=quest 6.j&saved_for=interval&skill=bin") == []
    nothing = client.get("/checkpoints?quest=nowhere", headers=PAGE)
    assert "no checkpoint is like that" in nothing.text


def test_a_page_has_a_hundred_and_one_behind_the_last_is_the_last(realm: Realm, client: FlaskClient) -> None:
    trained(realm, 205)
    first = client.get("/api/checkpoints").get_json()
    assert (first["total"], first["page"], first["pages"], len(first["checkpoints"])) == (205, 1, 3, 100)
    assert steps(client, "page=2")[0] == 10500
    assert steps(client, "page=3") == steps(client, "page=99") == [500, 400, 300, 200, 100]
    page = client.get("/checkpoints?page=2&sort=size", headers=PAGE).text
    assert "page 2 of 3" in page
    assert 'href="/checkpoints?sort=size&amp;order=desc&amp;page=3" rel="next"' in page


def test_deleted_ones_are_shown_when_asked_for_with_the_reason(realm: Realm, client: FlaskClient) -> None:
    ledger = trained(realm)
    ledger.bury(200, f"no room {HOSTILE}")
    assert steps(client) == [500, 400, 300, 100]
    shown = client.get("/api/checkpoints?show=all").get_json()
    assert [(row["step"], row["deleted"]) for row in shown["checkpoints"]][3] == (200, True)
    assert shown["checkpoints"][3]["reason"] == f"no room {HOSTILE}"
    assert (shown["kept"], shown["deleted"]) == (4, 1)
    page = client.get("/checkpoints?show=all", headers=PAGE).text
    assert HOSTILE not in page
    assert "no room &lt;" in page


def test_champion_newest_best_and_masteries_are_marked(realm: Realm, client: FlaskClient) -> None:
    trained(realm)
    champion = ChampionRecord(
        hero=HERO, step=300, checkpoint="checkpoint-300-20260101-0000", weights_sha256=weights_of(300),
        promoted_at="2026-01-01T00:00:00.000+00:00", by="guild",
    )  # fmt: skip
    champions.write(realm, champion)
    mastery = Mastery(
        level=1, step=200, checkpoint="checkpoint-200-20260101-0000", accuracy=0.9, interval=(0.8, 1.0),
        steps=[200], at="2026-01-01T00:00:00.000+00:00",
    )  # fmt: skip
    path = skillstate.state_path(realm, HERO, "bin")
    path.parent.mkdir(parents=True)
    store.write_record(path, SkillState(hero=HERO, skill="bin", mastered=[mastery]))
    marks = {row["step"]: row["marks"] for row in client.get("/api/checkpoints").get_json()["checkpoints"]}
    best = ["newest", "best train_loss", "best val_loss"]
    assert marks == {500: best, 400: [], 300: ["champion"], 200: ["mastered bin level 1"], 100: []}
    assert client.get("/api/checkpoints/300").get_json()["kept_for"][0] == "the champion"


def test_new_changed_and_gone_records_are_seen_and_the_rest_is_not_read_again(realm: Realm) -> None:
    ledger = trained(realm, 3)
    view = LedgerView(realm, HERO)
    before = view.listing()
    old = ledger.folder.stat().st_mtime_ns - 10**9
    os.utime(ledger.folder, ns=(old, old))
    assert view.listing() is before
    assert view.listing() is before
    checkpoint(realm, 400)
    ledger.bury(100, "old")
    after = view.listing()
    assert [row.step for row in after.kept] == [400, 300, 200]
    assert [row.step for row in after.buried] == [100]
    assert after.kept[1] is before.kept[0]
    checkpoint(realm, 300, train_loss=9.0, canonical_name="checkpoint-300-20260102-0000")
    again = view.listing()
    assert again.kept[1].train_loss == 9.0
    assert [row.name for row in again.buried] == ["checkpoint-300-20260101-0000", "checkpoint-100-20260101-0000"]


def test_a_damaged_record_is_made_again_and_a_newer_one_is_named(realm: Realm, client: FlaskClient) -> None:
    ledger = trained(realm, 3)
    mirror = realm.hero_folder(HERO) / "checkpoint-200-20260101-0000" / checkpoints.LEDGER_MIRROR
    store.write_record(mirror, ledger.get(200))
    (ledger.folder / "200.json").write_text("{ torn")
    newer = ledger.get(100).to_dict() | {"version": 99}
    (ledger.folder / "100.json").write_bytes(store.to_json(newer))
    found = client.get("/api/checkpoints").get_json()
    assert [row["step"] for row in found["checkpoints"]] == [300, 200]
    assert "newer Realm" in found["problems"][0]
    assert "newer Realm" in client.get("/checkpoints", headers=PAGE).text


@pytest.mark.parametrize(
    "query", ["sort=name", "order=up", "show=some", "page=0", "page=x", "page=-1", "pages=2", "quest=" + 300 * "x"]
)
def test_a_wrong_argument_is_one_clear_error(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/api/checkpoints?{query}")
    assert answer.status_code == 400
    assert set(answer.get_json()) == {"error", "hint"}
    page = client.get(f"/checkpoints?{query}", headers=PAGE)
    assert page.status_code == 400
    assert "Traceback" not in page.text


def test_scripts_in_names_are_text(realm: Realm, client: FlaskClient) -> None:
    hostile = QuestShare("c" * 12, HOSTILE, "a" * 64, 5, completed=False)
    checkpoint(realm, 100, training_file=HOSTILE, skill_name=HOSTILE, saved_for=HOSTILE, quests=[hostile])
    for path in ("/checkpoints", f"/checkpoints?quest={HOSTILE}", "/checkpoint/100"):
        page = client.get(path, headers=PAGE)
        assert page.status_code == 200
        assert HOSTILE not in page.text
        assert "&lt;img" in page.text


def test_the_table_is_a_fragment_of_its_own(realm: Realm, client: FlaskClient) -> None:
    trained(realm)
    part = client.get("/checkpoints?fragment=table&sort=size", headers=PAGE).text
    assert "<html" not in part
    assert "/checkpoint/500" in part
    whole = client.get("/checkpoints?sort=size", headers=PAGE).text
    assert re.search(r'data-fragment="/checkpoints\?fragment=table&amp;sort=size[^"]*" data-topics="ledger', whole)
    assert client.get("/checkpoints?fragment=all", headers=PAGE).status_code == 404


def test_an_empty_ledger_says_so(client: FlaskClient) -> None:
    assert "no checkpoint yet" in client.get("/checkpoints", headers=PAGE).text


# -- one checkpoint ------------------------------------------------------------------------------------------------


def test_lineage_is_that_of_the_ledger_deleted_forebears_included(realm: Realm, client: FlaskClient) -> None:
    ledger = trained(realm, 30)
    ledger.bury(700, "old")
    found = client.get("/api/checkpoints/3000").get_json()
    asked = {quest["id"]: quest for quest in found["lineage"]["quests"]}
    expected = {quest["id"]: quest for quest in ledger.lineage(3000)}
    assert {key: {**quest, "sha256": "a" * 64} for key, quest in asked.items()} == expected
    assert found["lineage"]["quests"][0]["last_step"] == 3000
    parents = found["lineage"]["ancestors"]
    assert [row["step"] for row in parents] == list(range(2900, 900, -100))
    assert found["lineage"]["ancestors_total"] == 29
    assert found["name"] == "checkpoint-3000-20260101-0000"
    assert "and 9 before them" in client.get("/checkpoint/3000", headers=PAGE).text


def test_evals_are_those_of_the_step_and_the_last_of_a_level_counts(realm: Realm, client: FlaskClient) -> None:
    trained(realm, 2)
    path = skillstate.lines_path(realm, HERO, "bin")
    path.parent.mkdir(parents=True)
    store.write_record(skillstate.state_path(realm, HERO, "bin"), SkillState(hero=HERO, skill="bin"))
    for step, level, correct in ((100, 1, 10), (100, 1, 20), (200, 1, 30), (1000, 1, 50), (100, 2, 0)):
        line = EvalLine(
            step=step, level=level, state="ok", correct=correct, size=50, closed=True, set_sha256="c" * 12,
            at="2026-01-01T00:00:00.000+00:00", flagged=HOSTILE,
        )  # fmt: skip
        store.append_line(path, line.to_dict())
    with open(path, "ab") as file:
        file.write(b'{"step":100,"level":9,"torn')
    found = client.get("/api/checkpoints/100").get_json()["evals"]
    assert [(line["skill"], line["level"], line["correct"]) for line in found] == [("bin", 1, 20), ("bin", 2, 0)]
    expected = [line for line in skillstate.lines(realm, HERO, "bin") if line.step == 100]
    assert [line["accuracy"] for line in found] == [line.accuracy for line in expected]
    page = client.get("/checkpoint/100", headers=PAGE).text
    assert "20/50" in page
    assert HOSTILE not in page


def test_files_are_those_of_the_manifest_and_a_missing_one_is_said(realm: Realm, client: FlaskClient) -> None:
    record = trained(realm, 1).get(100)
    folder = realm.hero_folder(HERO) / record.canonical_name
    assert "incomplete" in client.get("/api/checkpoints/100").get_json()["flaw"]
    (folder / "model.safetensors").write_bytes(b"12345")
    checkpoints.write_manifest(folder, record.canonical_name, record.created_at)
    found = client.get("/api/checkpoints/100").get_json()
    assert found["flaw"] is None
    assert found["files"]["model.safetensors"]["size"] == 5
    assert found["path"] == str(folder)
    (folder / "model.safetensors").unlink()
    assert "model.safetensors is missing" in client.get("/checkpoint/100", headers=PAGE).text


def test_two_checkpoints_are_compared(realm: Realm, client: FlaskClient) -> None:
    trained(realm)
    rows = client.get("/api/checkpoints/500?with=400").get_json()["compared"]
    by_name = {row["name"]: row for row in rows}
    assert by_name["step"]["change"] == 100
    assert by_name["val_loss"]["other"] is None
    assert by_name["val_loss"]["change"] is None
    assert "+100" in client.get("/checkpoint/500?with=400", headers=PAGE).text
    for wrong in ("7", "x", "../1", "4" * 50):
        answer = client.get(f"/api/checkpoints/500?with={wrong}")
        assert (answer.status_code, answer.get_json()["error"][:5]) == (400, "with:")


def test_a_deleted_one_keeps_its_page(realm: Realm, client: FlaskClient) -> None:
    trained(realm).bury(200, "no room")
    found = client.get("/api/checkpoints/200").get_json()
    assert found["deleted"]["reason"] == "no room"
    assert found["kept_for"] == []
    page = client.get("/checkpoint/200", headers=PAGE)
    assert page.status_code == 200
    assert "no room" in page.text
    assert "/api/champion" not in page.text


def test_what_keeps_a_checkpoint_is_said(realm: Realm, client: FlaskClient) -> None:
    trained(realm)
    kept = {step: client.get(f"/api/checkpoints/{step}").get_json()["kept_for"] for step in (500, 300, 200)}
    assert kept[500] == ["one of the last 3 (training.keep_last)", "best train_loss", "best val_loss"]
    assert kept[300] == ["one of the last 3 (training.keep_last)"]
    assert kept[200] == []
    assert "nothing keeps it" in client.get("/checkpoint/200", headers=PAGE).text


@pytest.mark.parametrize(
    "step", ["7", "x", "-1", "1e3", "..", "%2e%2e%2frealm", "100.json", "9" * 5000, "\u0661", "%00", "<img src=x>"]
)
def test_a_step_that_is_none_is_not_found(realm: Realm, client: FlaskClient, step: str) -> None:
    trained(realm, 1)
    for path in ("/checkpoint", "/api/checkpoints"):
        answer = client.get(f"{path}/{step}", headers=PAGE if path == "/checkpoint" else {})
        assert answer.status_code == 404
        assert "Traceback" not in answer.text
        assert "<img src=x" not in answer.text or answer.is_json


def test_the_crown_is_offered_where_there_is_one_who_crowns(realm: Realm) -> None:
    trained(realm)
    with_guild, without = (make_app(realm, Manager.of(realm)) for _ in range(2))
    with_guild.view_functions.setdefault("guild.promote", dict)
    without.view_functions.pop("guild.promote", None)
    page = with_guild.test_client().get("/checkpoint/500", headers=PAGE).text
    assert 'action="/api/champion"' in page
    assert 'name="step" value="500"' in page
    assert "/api/champion" not in without.test_client().get("/checkpoint/500", headers=PAGE).text
