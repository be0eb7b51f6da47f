"""The page `/vault`: assets and copies, orders that reach a real zone, the last-copy rule, the plan, lineage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, expect

from helpers import Ran, TavernProcess, wait_for
from realm_cli import champions, pins, store
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.skill_records import ChampionRecord
from realm_tavern.app import make_app
from realm_tavern_browsing import LOW_CONTRAST, NAMELESS, PHONE, browsing, is_wide
from realm_vault_boxes import HERO, Box, make_checkpoint

PAGE = {"Accept": "text/html"}
Open = Callable[..., TavernProcess]
Vault = Callable[..., Ran]
ZONES = "zones:\n  usb: {type: local, root: %s, keep: {checkpoint: {last: 1}}}\n"


@pytest.fixture
def client(realm: Realm) -> FlaskClient:
    """A browser without scripts, on a Tavern with the zone usb."""
    usb = realm.root.parent / "usb"
    usb.mkdir()
    (realm.configs / "zones.yaml").write_text(ZONES % usb)
    return make_app(Realm(realm.root), Manager.of(realm)).test_client()


def read(client: FlaskClient, path: str) -> dict[str, Any]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json or {}
    return found


def order(client: FlaskClient, verb: str, **fields: str) -> tuple[int, dict[str, Any]]:
    csrf = client.get("/vault", headers=PAGE).text.partition('name="csrf" content="')[2].partition('"')[0]
    answer = client.post(f"/api/vault/{verb}", json=fields, headers={"X-Realm-CSRF": csrf})
    return answer.status_code, answer.json or {}


def ended(client: FlaskClient, words: str) -> dict[str, Any]:
    """The job with these words when it is done."""

    def look() -> dict[str, Any] | None:
        jobs = [job for job in read(client, "/api/vault")["jobs"] if job["words"] == words]
        return jobs[0] if jobs and jobs[0]["state"] in ("done", "failed") else None

    found: dict[str, Any] = wait_for(look, words)
    return found


def crown(realm: Realm, step: int) -> None:
    champions.write(
        realm,
        ChampionRecord(
            hero=HERO,
            step=step,
            checkpoint=f"checkpoint-{step}-20261124-1200",
            weights_sha256="0" * 64,
            promoted_at=now(),
            by="test",
        ),
    )


def test_assets_are_sorted_filtered_and_paged(realm: Realm, client: FlaskClient) -> None:
    for step in range(1, 251):
        make_checkpoint(realm, step, size=10, files=1)
    first = read(client, "/api/vault")
    assert (first["total"], first["pages"], len(first["assets"])) == (250, 3, 100)
    assert [row["step"] for row in first["assets"][:2]] == [250, 249]
    assert first["assets"][0]["zones"] == {"local": "yes", "usb": None}
    by_loss = read(client, "/api/vault?sort=train_loss&page=3")["assets"]  # the loss is 1/step: the best comes first
    assert [row["step"] for row in by_loss] == list(range(50, 0, -1))
    found = read(client, "/api/vault?text=_25")
    assert {row["step"] for row in found["assets"]} == {25, 250}
    pins.pin(realm, f"checkpoint_{HERO}_7", "", "me")
    assert [row["step"] for row in read(client, "/api/vault?pinned=pinned")["assets"]] == [7]
    assert read(client, "/api/vault?inside=usb")["total"] == 0
    assert read(client, "/api/vault?outside=usb")["total"] == 250
    assert read(client, "/api/vault?kind=config")["total"] > 0
    text = client.get("/vault", headers=PAGE).text
    assert "page 1 of 3" in text
    assert text.count("<tr>") < 120


@pytest.mark.parametrize(
    "query", ["sort=name", "order=up", "kind=thing", "page=0", "page=x", "limit=3", "text=" + "a" * 300]
)
def test_a_wrong_query_is_told(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/api/vault?{query}")
    assert answer.status_code == 400
    assert answer.json
    assert answer.json["error"]


@pytest.mark.parametrize("asset", ["checkpoint_9", "..%2f..%2fetc", "thing", "checkpoint_1%00", "config_..", "a" * 500])
def test_an_unknown_asset_is_told(client: FlaskClient, asset: str) -> None:
    assert client.get(f"/vault/asset/{asset}", headers=PAGE).status_code in (400, 404)
    assert order(client, "push", asset=asset.replace("%2f", "/"), zone="usb")[0] in (400, 404)
    assert order(client, "rm", asset=asset.replace("%2f", "/"), zone="usb")[0] in (400, 404)


def test_push_verify_delete_and_restore(realm: Realm, client: FlaskClient) -> None:
    for step in (1, 2, 3):
        make_checkpoint(realm, step)
    crown(realm, 1)
    assert order(client, "push", asset="checkpoint_1", zone="usb")[0] == 200
    name = f"checkpoint_{HERO}_1"
    assert ended(client, f"push {name} to usb")["state"] == "done"
    (row,) = read(client, "/api/vault?inside=usb")["assets"]
    assert row["zones"] == {"local": "yes", "usb": "ok"}
    assert row["champion"]

    status, said = order(client, "rm", asset=name, zone="local")
    assert (status, "the champion" in said["error"]) == (409, True)
    text = client.get(f"/vault/asset/{name}", headers=PAGE).text
    assert "stays: the champion" in text
    assert "copies.min asks for 1 other of a champion (known: local)" in text

    for folder in (realm.hero_folder(HERO)).glob("checkpoint-1-*"):
        part = next(folder.glob("part*"))
        part.write_bytes(b"x" * part.stat().st_size)  # the other copy is damaged: the deletion has to notice
    status, said = order(client, "rm", asset=name, zone="usb")
    assert (status, "another SHA-256" in said["error"]) == (409, True)
    assert order(client, "verify", asset=name, zone="local")[0] == 200
    job = ended(client, f"verify {name} in local")
    assert (job["state"], "a good copy is in its place now" in job["said"]) == ("failed", True)

    assert order(client, "rm", asset="checkpoint_2", zone="local", reason="a try")[0] == 200
    assert "a try" in client.get("/vault/prune", headers=PAGE).text
    assert order(client, "restore", asset="checkpoint_2", zone="local")[0] == 200
    assert 2 in Ledger(realm).steps()


def test_the_plan_is_shown_and_carried_out(realm: Realm, client: FlaskClient) -> None:
    for step in (1, 2):
        make_checkpoint(realm, step)
        order(client, "push", asset=f"checkpoint_{step}", zone="usb")
        assert ended(client, f"push checkpoint_{HERO}_{step} to usb")["state"] == "done"
    planned = read(client, "/api/vault/prune")
    assert (planned["drops"], planned["verdicts"][0]["asset"]) == (1, f"checkpoint_{HERO}_1")
    assert "one of the last 1" in client.get("/vault/prune", headers=PAGE).text
    assert order(client, "prune", zone="usb")[0] == 200
    assert ended(client, "prune usb")["said"].startswith("1 went to the trash")
    assert read(client, "/api/vault?inside=usb")["total"] == 1
    assert order(client, "prune", zone="local")[0] == 409
    assert order(client, "prune", zone="nope")[0] == 404


def test_an_export_is_written_once(realm: Realm, run: Callable[..., Ran], client: FlaskClient) -> None:
    assert order(client, "export", asset="config_realm", form="folder")[0] in (400, 404)
    make_checkpoint(realm, 4)
    assert order(client, "export", asset="checkpoint_4", form="tar.zst")[0] == 200
    done = ended(client, f"export checkpoint_{HERO}_4 as a tar.zst")
    assert done["state"] == "done", done
    assert (realm.root / "exports" / f"checkpoint_{HERO}_4.tar.zst").is_file()
    assert order(client, "export", asset="checkpoint_4", form="tar.zst")[0] == 409


def test_lineage_shows_forks_and_the_deleted(realm: Realm, client: FlaskClient) -> None:
    ledger = Ledger(realm)
    for step, parent in ((1, ""), (2, "1"), (3, "2"), (4, "2")):
        make_checkpoint(realm, step)
        path = realm.ledger / HERO / f"{step}.json"
        record = store.read_record(path, LedgerRecord)
        name = f"checkpoint-{parent}-20261124-1200" if parent else ""
        store.write_record(path, msgspec.structs.replace(record, parent=name))
    ledger.bury(3, "a test")
    text = client.get("/vault/lineage", headers=PAGE).text
    assert text.count('class="alive"') == 3
    assert text.count('class="dead"') == 1
    assert "M7 0L7 14M21 0L7 14M7 14V28" in text.replace(
        "M21 0L7 14M7 0L7 14", "M7 0L7 14M21 0L7 14"
    )  # 3 and 4 meet at 2
    assert "the base model" in text


def test_hostile_text_stays_text(realm: Realm, client: FlaskClient) -> None:
    make_checkpoint(realm, 1)
    script = "<script>alert(1)</script>"
    assert order(client, "pin", asset="checkpoint_1", why=script)[0] == 200
    for path in (f"/vault/asset/checkpoint_{HERO}_1", "/vault?text=%3Cscript%3Ealert(1)%3C/script%3E"):
        text = client.get(path, headers=PAGE).text
        assert script not in text
        assert "&lt;script&gt;" in text


def test_an_order_from_another_site_is_refused(realm: Realm, client: FlaskClient) -> None:
    make_checkpoint(realm, 1)
    client.get("/vault", headers=PAGE)
    answer = client.post(
        "/api/vault/rm", json={"asset": "checkpoint_1", "zone": "local"}, headers={"Origin": "http://evil.example"}
    )
    assert answer.status_code == 403


def test_a_checkpoint_is_pushed_and_pinned_in_a_browser(
    realm: Realm, box: Box, vault: Vault, tavern: Open, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in box.environment().items():
        monkeypatch.setenv(name, value)
    for step in (10, 20):
        make_checkpoint(realm, step)
    url = tavern().url
    with browsing(chromium, url) as page, browsing(chromium, url, java_script_enabled=False, viewport=PHONE) as calm:
        page.goto("/vault")
        page.get_by_role("link", name=f"checkpoint_{HERO}_10").click()
        page.get_by_role("button", name="push to far").click()
        expect(page.get_by_text("verified").first).to_be_visible()
        page.goto("/vault?inside=far")
        expect(page.locator(".matrix tbody tr")).to_have_count(1)
        page.evaluate("window.here = true")
        vault("push", "--zone", "far", "checkpoint_20")  # by somebody else: the open page shows it
        expect(page.locator(".matrix tbody tr")).to_have_count(2)
        assert page.evaluate("window.here")
        calm.goto(f"/vault/asset/checkpoint_{HERO}_20")
        calm.get_by_label("Why").fill("my best")
        calm.get_by_role("button", name="pin", exact=True).click()
        expect(calm.locator(".said")).to_contain_text("is pinned")
        assert pins.read(realm)[f"checkpoint_{HERO}_20"].why == "my best"
        for path in ("/vault", f"/vault/asset/checkpoint_{HERO}_20", "/vault/prune", "/vault/lineage"):
            calm.goto(path)
            assert not is_wide(calm), path


def test_the_page_of_an_asset_is_sound_in_both_themes(realm: Realm, tavern: Open, chromium: Browser) -> None:
    for step in (10, 20):
        make_checkpoint(realm, step)
    crown(realm, 10)
    url = tavern().url
    for theme in ("dark", "light"):
        with browsing(chromium, url, color_scheme=theme) as page:
            page.goto(f"/vault/asset/checkpoint_{HERO}_10")
            assert page.evaluate(LOW_CONTRAST) == [], theme
            assert page.evaluate(NAMELESS) == []
            assert page.evaluate("window.shifts") < 0.02


def test_the_pages_follow_the_hero_that_becomes_active(
    realm: Realm, client: FlaskClient, run: Callable[..., Ran]
) -> None:
    make_checkpoint(realm, 7)
    assert [row["step"] for row in read(client, "/api/checkpoints")["checkpoints"]] == [7]
    text = realm.hero_file(HERO).read_text()
    realm.hero_file("other").write_text(text.replace("dio-mini", "other"))
    realm.config_file.write_text(realm.config_file.read_text().replace("hero: dio-mini", "hero: other"))
    make_checkpoint(realm, 9, hero="other")
    wait_for(lambda: read(client, "/api/game")["hero"]["name"] == "other", "the other hero")
    assert [row["step"] for row in read(client, "/api/checkpoints")["checkpoints"]] == [9]
    assert '<td class="num"><a href="/checkpoint/9">' in client.get("/vault/lineage", headers=PAGE).text
