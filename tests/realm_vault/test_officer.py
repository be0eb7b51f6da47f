"""The branch officer, on a box without a realm."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import Ran, Run, environment, realm_line, wait_for
from realm_cli import services
from realm_cli.realm import Realm
from realm_cli.web import Door
from realm_vault.officer import make_officer
from realm_vault_boxes import HERO, Box, make_checkpoint
from realm_vault_described import statuses_of_random_requests

Vault = Callable[..., Ran]
ONE = f"checkpoint_{HERO}_1"


@pytest.fixture
def officer(box: Box) -> Iterator[str]:
    """`realm vault officer` over the far zone's root."""
    line = realm_line("vault", "officer", "--zone", "far", "--port", 0, "--base-dir", box.root)
    process = subprocess.Popen(
        line, env=environment(), cwd=box.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    yield wait_for(lambda: services.running(Realm(box.root), "officer"), "the officer").url
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
            return {"http": error.code, **json.load(error)}


def test_it_answers_for_what_was_sent(realm: Realm, box: Box, vault: Vault, officer: str) -> None:
    folder = make_checkpoint(realm, 1)
    assert ask(f"{officer}/assets")["assets"] == []
    assert vault("push", "--zone", "far").err == ""

    received = ask(f"{officer}/receive", {"asset_id": ONE})

    assert (received["id"], received["locations"][0]["zone"]) == (ONE, "far")
    assert received["locations"][0]["verified_at"]
    about = ask(f"{officer}/fetch/{ONE}")
    assert (about["path"], about["base_dir"]) == (f"models/{HERO}/{folder.name}", str(box.root))
    assert set(about["files"]) == {path.name for path in folder.iterdir()}
    status = ask(f"{officer}/status")
    assert (status["status"], status["zone"], status["assets"]) == ("ok", "far", 1)
    assert ask(f"{officer}/assets/{ONE}")["size"] == ask(f"{officer}/assets")["assets"][0]["size"]
    assert ask(f"{officer}/scan", {}) == {"zone": "far", "assets": 1, "wrong": []}


def test_what_is_damaged_or_not_there_is_refused(realm: Realm, box: Box, vault: Vault, officer: str) -> None:
    folder = make_checkpoint(realm, 1)
    assert vault("push", "--zone", "far").err == ""
    copy = box.root / "models" / HERO / folder.name / "part 0.safetensors"
    copy.write_bytes(bytes(copy.stat().st_size))
    damaged = ask(f"{officer}/receive", {"asset_id": ONE})
    assert (damaged["http"], "part 0.safetensors has another SHA-256" in damaged["error"]) == (409, True)
    assert ask(f"{officer}/assets/checkpoint_{HERO}_2")["http"] == 404
    assert ask(f"{officer}/assets/..%2f..")["http"] == 400
    assert ask(f"{officer}/receive", {"asset_id": "../x"})["http"] == 400
    assert ask(f"{officer}/receive", {"asset_id": ONE, "path": "/etc"})["http"] == 400


def test_a_folder_or_a_name_that_is_none_is_said(run: Run, tmp_path: Path) -> None:
    assert run("vault", "officer", "--zone", "a", "--base-dir", tmp_path / "none", realm=None).code == 4
    assert run("vault", "officer", "--zone", "a/b", "--base-dir", tmp_path, realm=None).code == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning:schemathesis")
def test_its_description_is_true_whatever_is_asked(realm: Realm) -> None:
    make_checkpoint(realm, 1)
    seen = statuses_of_random_requests(make_officer(realm.root, "far", Door()))
    assert seen[200] > 2
    assert seen[404] > 5
