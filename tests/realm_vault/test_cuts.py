"""The cable is cut, a process is killed, at any moment of a push or a fetch: nothing half is ever seen, and the next try goes on."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import Ran, realm_line, wait_for
from realm_cli import leases
from realm_cli.realm import Realm
from realm_vault_boxes import HERO, Box, content, make_checkpoint

Vault = Callable[..., Ran]
PART = 1_500_000
FILES = 3


def few_or_many(function: Callable[..., None]) -> Callable[..., None]:
    """4 random cuts in `make test`, 40 in `make drill`."""
    cases = [pytest.param(seed, marks=[] if seed < 4 else pytest.mark.drill) for seed in range(40)]
    marked: Callable[..., None] = pytest.mark.parametrize("seed", cases)(function)
    return marked


def arrived(root: Path) -> int:
    """Bytes that lie in the hidden folder of what arrives."""
    found = 0
    for path in (root / ".vault" / "incoming").glob("*/*"):
        try:
            found += path.stat().st_size
        except FileNotFoundError:
            continue  # rsync has renamed it
    return found


@few_or_many
def test_a_cut_at_a_random_moment_loses_and_shows_nothing(realm: Realm, box: Box, vault: Vault, seed: int) -> None:
    chance = random.Random(seed)
    direction = ("push", "fetch")[seed % 2]
    victim = chance.choice(["keeper", "rsync", "sshd"])
    folder = make_checkpoint(realm, 8, size=PART, files=FILES)
    before = content(folder)
    target = box.root if direction == "push" else realm.root
    asset = f"checkpoint_{HERO}_8"
    if direction == "fetch":
        assert vault("push", asset, "--zone", "far").err == ""
        shutil.rmtree(folder)
        assert vault("scan", "--zone", "local").code == 0
    line = ["push", asset, "--zone", "far"] if direction == "push" else ["fetch", asset]
    slow = realm_line("vault", *line, "--limit-kb", 1500, realm=realm)
    keeper = subprocess.Popen(slow, env=box.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    moment = chance.randrange(1, PART * FILES)
    wait_for(lambda: arrived(target) >= moment or keeper.poll() is not None, f"{moment} bytes")
    _cut(victim, keeper, box)
    keeper.wait()

    seen = target / "models" / HERO / folder.name
    if seen.exists():  # it was whole before the cut
        assert content(seen) == before
    if victim == "sshd":
        box.start()
    wait_for(lambda: vault(*line).code == 0 and seen.exists(), "the next try")
    assert content(seen) == before
    assert vault("verify").code == 0
    assert leases.held_now(realm) == {}
    assert list((target / ".vault" / "incoming").iterdir()) == []


def _cut(victim: str, keeper: subprocess.Popen[bytes], box: Box) -> None:
    if victim == "keeper":
        keeper.send_signal(signal.SIGKILL)
    elif victim == "sshd":
        box.stop()
    else:  # there may be none at that moment
        subprocess.run(["pkill", "-KILL", "-f", f"rsync.*{box.root.parent.parent}"], check=False)
