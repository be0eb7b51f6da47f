"""The vault's service: every operation for real, a true description, and nothing that breaks it."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from helpers import BattleProcess, Ran, environment, realm_line, rows, wait_for, write_rows
from realm_cli import control, services
from realm_cli.api import RemoteLedgerClient, VaultKeeperClient, get_ledger_client
from realm_cli.errors import AwayError, NotFoundError, RefusedError, UsageError
from realm_cli.founding import found
from realm_cli.hosts import hosts_file
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.web import Door
from realm_vault.server import make_server
from realm_vault_boxes import HERO, Box, content, make_checkpoint
from realm_vault_described import statuses_of_random_requests

Vault = Callable[..., Ran]


@pytest.fixture
def server(realm: Realm, box: Box, vault: Vault) -> Iterator[str]:
    """A real `realm vault serve`, from which the box is reached."""
    line = realm_line("vault", "serve", "--port", 0, realm=realm)
    process = subprocess.Popen(line, env=box.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield wait_for(lambda: services.running(realm, "vault"), "the service").url
    process.terminate()
    assert process.wait(timeout=60) == 0


def ask(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return {"status": error.code, **json.load(error)}


def test_assets_are_found_sent_and_fetched(realm: Realm, box: Box, server: str) -> None:
    folders = [make_checkpoint(realm, step) for step in (1, 2, 3)]
    assert ask(f"{server}/health")["status"] == "ok"
    assert ask(f"{server}/api/scan", {"zone": "local"})["assets"] >= 3
    assert [one["step"] for one in ask(f"{server}/api/checkpoints?limit=2")["assets"]] == [3, 2]
    assert ask(f"{server}/api/search?type=checkpoint&offset=2")["assets"][0]["id"] == f"checkpoint_{HERO}_1"

    sent = ask(f"{server}/api/transfer", {"asset_id": "checkpoint_1", "zone": "far"})

    assert (sent["success"], sent["verified"], sent["state"]) == (True, True, "done")
    assert content(box.root / "models" / HERO / folders[0].name) == content(folders[0])
    before = content(folders[0])
    shutil.rmtree(folders[0])
    assert ask(f"{server}/api/register", {"asset_id": "checkpoint_2"})["found"]
    assert ask(f"{server}/api/locate/checkpoint_1")["best"]["zone"] == "far"
    client = VaultKeeperClient(server.removeprefix("http://"))
    assert client.ensure_local("checkpoint_1") == str(folders[0])
    assert content(folders[0]) == before
    assert client.locate("checkpoint_1")["best"]["zone"] == "local"
    assert len(client.search(type="checkpoint")) == 3
    stats = ask(f"{server}/api/stats")
    assert (stats["kinds"]["checkpoint"], stats["zones"]["far"]) == (3, 1)
    assert [zone["id"] for zone in ask(f"{server}/api/zones")["zones"]] == ["local", "far", "usb"]
    assert ask(f"{server}/api/zones/far")["assets"] == 1
    assert ask(f"{server}/api/asset/checkpoint_1")["files"] == 3


def test_errors_have_their_status_and_say_what_to_do(realm: Realm, box: Box, server: str) -> None:
    make_checkpoint(realm, 10000)
    for path, status in (
        ("/api/asset/checkpoint_1000", 404), ("/api/asset/checkpoint_1..2", 400), ("/api/asset/..%2F..%2Fetc", 400),
        ("/api/asset/%2e%2e", 400), ("/api/zones/nowhere", 404), ("/api/ledger/7", 404), ("/api/ledger/-1", 404),
        (f"/api/ledger/{'9' * 300}", 404), ("/api/checkpoints?limit=0", 400), ("/api/checkpoints?limit=1e3", 400),
        ("/api/search?type=x", 400), ("/api/stats?x=1", 400), ("/api/ledger/best?metric=x", 400), ("/api/nothing", 404),
    ):  # fmt: skip
        answer = ask(server + path)
        assert answer["status"] == status, (path, answer)
        assert answer["error"]
    for path, body, status in (
        ("/api/transfer", {"asset_id": "checkpoint_10000", "zone": "local"}, 409),
        ("/api/transfer", {"asset_id": "checkpoint_10000", "zone": "fra"}, 404),
        ("/api/transfer", {"asset_id": "checkpoint_10000"}, 400),
        ("/api/fetch", {"asset_id": "checkpoint_10000", "dest": "/etc"}, 400),
        ("/api/training/control", {"action": "skip"}, 400),
        ("/api/training/control", {"action": "stop"}, 409),
    ):
        assert ask(server + path, body)["status"] == status, path
    wire = http.client.HTTPConnection(server.removeprefix("http://"), timeout=60)
    wire.putrequest("POST", "/api/fetch")
    wire.putheader("Content-Type", "application/json")
    wire.putheader("Content-Length", "2000000")
    wire.endheaders()  # the answer comes before the body
    assert wire.getresponse().status == 413
    wire.close()
    box.stop()
    assert ask(f"{server}/api/scan", {"zone": "far"})["status"] == 503


def test_the_battle_is_seen_and_commanded(realm: Realm, server: str, battle: Callable[..., BattleProcess]) -> None:
    write_rows(realm.inbox / "one.jsonl", rows(400))
    fight = battle()
    wait_for(lambda: ask(f"{server}/api/training/status")["battle"]["state"] == "training", "the battle")
    assert ask(f"{server}/api/training/queue")["quests"][0]["state"] == "processing"
    assert ask(f"{server}/api/training/control", {"action": "pause"})["said"] == "pause is asked for"
    wait_for(lambda: ask(f"{server}/api/training/status")["battle"]["state"] == "paused", "the pause")
    assert ask(f"{server}/api/training/control", {"action": "resume"})["said"] == "the pause is lifted"
    assert ask(f"{server}/api/training/control", {"action": "stop"})["action"] == "stop"
    assert fight.process.wait(timeout=120) == 0
    assert control.read(realm, "pause") is None
    latest = ask(f"{server}/api/ledger/summary")["latest"]
    assert latest["step"] == Ledger(realm).get_latest().step


def test_a_ledger_far_away_is_read_like_the_one_here(realm: Realm, server: str, tmp_path: Any) -> None:
    for step in (1, 2, 3):
        make_checkpoint(realm, step)
    far, here = RemoteLedgerClient(f"{server}/api/ledger"), Ledger(realm)
    assert far.is_available()
    assert far.list_all(2) == here.list_all(2)
    assert far.list_all(None) == here.list_all(None)
    assert (far.get(2), far.get_latest(), far.get_best()) == (here.get(2), here.get_latest(), here.get_best())
    with pytest.raises(NotFoundError, match="no checkpoint at step 9"):
        far.get(9)
    with pytest.raises(UsageError, match="not a metric"):
        far.get_best("luck")
    other, _ = found(tmp_path / "other")
    assert isinstance(get_ledger_client(other), Ledger)
    port = int(server.rpartition(":")[2])
    machine = {"host": "127.0.0.1", "role": "trainer", "services": {"ledger": {"port": port, "path": "/api/ledger"}}}
    hosts = {"big": machine, "small": {"host": "192.0.2.1", "role": "inference"}}
    hosts_file(other).write_text(json.dumps({"hosts": hosts, "local_host": "small"}))
    client = get_ledger_client(Realm(other.root))
    assert isinstance(client, RemoteLedgerClient)
    assert client.get_latest().step == 3
    nobody = RemoteLedgerClient("127.0.0.1:9")
    assert not nobody.is_available()
    with pytest.raises(AwayError):
        nobody.get_latest()


def test_off_loopback_the_token_is_asked_for(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    make_checkpoint(realm, 1)
    line = realm_line("vault", "serve", "--port", 0, "--host", "0.0.0.0", realm=realm)
    process = subprocess.Popen(line, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = wait_for(lambda: services.running(realm, "vault"), "the service").url
        assert ask(f"{url}/api/stats")["status"] == 401
        with pytest.raises(RefusedError, match="asks for its token"):
            RemoteLedgerClient(url, "wrong").get_latest()
        monkeypatch.setenv("REALM_TOKEN", (realm.status / "web.token").read_text().strip())
        assert RemoteLedgerClient(url).get_latest().step == 1
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:schemathesis")
def test_the_description_is_true_whatever_is_asked(realm: Realm) -> None:
    make_checkpoint(realm, 1)
    seen = statuses_of_random_requests(make_server(realm, Manager.of(realm), Door()))
    assert seen[200] > 20
    assert seen[404] > 5
