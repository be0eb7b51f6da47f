"""Fixtures that speak the project's language: a realm in a temporary folder, a runner for `realm` lines, battles."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

import preloaded
from fake_gpus import FakeMachine, compile_library
from helpers import PATIENCE, BattleProcess, Ran, Run, SmallDisk, TavernProcess, environment, ready_realm, realm_line
from realm_cli.realm import Realm


@pytest.fixture
def realm(tmp_path: Path) -> Realm:
    """A fresh realm."""
    return ready_realm(tmp_path / "realm")


@pytest.fixture
def run(realm: Realm) -> Run:
    """`run("quest", "list")`: one real `realm` process in the test's realm (`realm=` another, `input=` its stdin)."""

    def call(
        *args: object,
        realm: Realm | Path | None = realm,
        input: str | None = None,  # noqa: A002
        cwd: Path | None = None,
    ) -> Ran:
        line = realm_line(*args, realm=realm)
        return Ran(*preloaded.run(line, input or "", env=environment(), cwd=cwd, seconds=PATIENCE))

    return call


@pytest.fixture
def battle(realm: Realm) -> Iterator[Callable[..., BattleProcess]]:
    """`battle("--until-empty")` starts a battle in the background; what still runs at the end of the test is killed."""
    started: list[BattleProcess] = []

    def start(*args: str, realm: Realm = realm, env: dict[str, str] | None = None) -> BattleProcess:
        started.append(BattleProcess(realm, *args, env=env))
        return started[-1]

    yield start
    for process in started:
        if process.process.poll() is None:
            process.kill()


@pytest.fixture
def tavern(realm: Realm) -> Iterator[Callable[..., TavernProcess]]:
    """`tavern("--port", "0")` opens the Tavern of the test's realm; what is still open at the end is closed."""
    opened: list[TavernProcess] = []

    def start(*args: str, realm: Realm = realm) -> TavernProcess:
        opened.append(TavernProcess(realm, *args))
        return opened[-1]

    yield start
    for one in opened:
        one.end()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A real browser."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        assert os.environ.get("CI") != "true", "this machine has no Chromium, which the test needs"
        pytest.skip("no Chromium here")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk that is soon full."""
    disk = SmallDisk(tmp_path)
    if not disk.is_there:
        assert os.environ.get("CI") != "true", "this machine cannot make a mount namespace, which the test needs"
        pytest.skip("no mount namespaces here (not root?)")
    yield disk
    disk.close()


@pytest.fixture(scope="session")
def gpu_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a library that speaks NVML's interface."""
    if shutil.which("gcc") is None:
        assert os.environ.get("CI") != "true", "this machine has no gcc, which the test needs"
        pytest.skip("no gcc here")
    return compile_library(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def gpus(tmp_path: Path, gpu_library: Path) -> FakeMachine:
    """A machine with GPUs as `gpus.set(FakeGpu(...))` says; programs see them in `gpus.environment()`."""
    return FakeMachine(tmp_path, gpu_library)


@pytest.fixture(scope="session")
def original() -> Path:
    """The original's reference data beside the checkout."""
    folder = Path(__file__).parents[2] / "shared" / "data" / "original"
    if not folder.is_dir():
        pytest.skip(f"the reference data is not at {folder}")
    return folder
