"""Two machines for tests of the Oracle: a realm that trains, and another one behind a real sshd that answers."""

from __future__ import annotations

import getpass
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

import preloaded
from helpers import PATIENCE, BattleProcess, Ran, environment, free_port, realm_line, wait_for
from realm_cli import champions, services
from realm_cli.founding import found
from realm_cli.hosts import hosts_file
from realm_cli.ledger import Ledger
from realm_cli.oracleclient import OracleClient
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.skill_records import ChampionRecord
from realm_cli.zones import zones_file
from realm_guild_heroes import tune
from realm_vault_boxes import Box

HERO = "dio-mini"
SAMPLES = 240
"""Of a quest, which is one checkpoint."""
FAR = "box"
"""The id of the other machine."""


def founded(root: Path) -> Realm:
    """A realm of one thread whose first level is mastered with one right answer of fifty."""
    made, _ = found(root)
    text = made.config_file.read_text()
    for old, new in (
        ("settle_seconds: 2", "settle_seconds: 0"), ("reserve_mb: 500", "reserve_mb: 1"), ("threads: null", "threads: 1"),
        ("port: 8888", "port: 0"),
    ):  # fmt: skip
        text = text.replace(old, new)
    made.config_file.write_text(text)
    realm = Realm(made.root)
    tune(realm, eval={"threshold": 0.02})
    return Realm(made.root)


def call(realm: Realm, *words: object, env: dict[str, str] | None = None, text: str = "") -> Ran:
    """One real `realm` process."""
    done = subprocess.run(
        realm_line(*words, realm=realm), input=text, capture_output=True, text=True, env=env or environment(),
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def train(realm: Realm, *quests: str, env: dict[str, str] | None = None) -> None:
    """Forge quests with these seeds and train them."""
    for seed in quests:
        made = call(
            realm, "quest", "forge", "--skill", "bin", "--level", 1, "--count", SAMPLES, "--seed", seed, env=env
        )
        assert made.code == 0, made.err
    battle = BattleProcess(realm, "--until-empty")
    assert battle.wait() == 0, battle.output()


def crown(realm: Realm) -> None:
    """Make the newest checkpoint champion."""
    record = Ledger(realm, HERO).get_latest()
    champions.write(
        realm,
        ChampionRecord(
            hero=HERO, step=record.step, checkpoint=record.canonical_name, weights_sha256=record.weights_sha256,
            promoted_at=now(), by="test",
        ),
    )  # fmt: skip


class OracleProcess:
    """A real `realm oracle serve`."""

    def __init__(self, realm: Realm, port: int = 0, extra: tuple[str, ...] = ()) -> None:
        self.realm = realm
        self.log = realm.root / "oracle-output.txt"
        with open(self.log, "ab") as output:
            self.process = preloaded.start(
                realm_line("oracle", "serve", "--port", port, *extra, realm=realm),
                stdout=output, stderr=output, env=environment(), start_new_session=True,
            )  # fmt: skip
        self.url = wait_for(self._announced, "the Oracle to open")

    def _announced(self) -> str | None:
        assert self.process.poll() is None, self.log.read_text()
        seen = services.running(self.realm, "oracle")
        return seen.url if seen is not None and seen.process.pid == self.process.pid else None

    @property
    def client(self) -> OracleClient:
        return OracleClient(self.url)

    def end(self, number: int = signal.SIGTERM) -> None:
        """Signal it and wait for its end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(timeout=PATIENCE)


class TwoBoxes:
    """The realm that trains, and the one that answers at a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.here = founded(folder / "here")
        self.far = founded(folder / "far")
        (folder / "machine").mkdir()
        self.box = Box(folder / "machine")
        self.port = free_port()
        self.oracle: OracleProcess | None = None
        self.connect(self.here)

    def connect(self, realm: Realm) -> None:
        """Let a realm know the other machine, as inference host and as zone."""
        hosts: dict[str, Any] = {
            "here": {"host": "192.0.2.1", "role": "trainer"},
            FAR: {
                "host": "127.0.0.1", "role": "inference", "ssh_port": self.box.port, "ssh_user": getpass.getuser(),
                "services": {"inference": {"port": self.port}},
            },
        }  # fmt: skip
        hosts_file(realm).write_text(yaml.safe_dump({"hosts": hosts, "local_host": "here"}))
        zones = {"far": {"type": "ssh", "host": FAR, "root": str(self.far.root)}}
        zones_file(realm).write_text(yaml.safe_dump({"zones": zones}))

    def copy(self, name: str) -> Realm:
        """The training realm again, as it is now."""
        root = self.here.root.parent / name
        shutil.copytree(self.here.root, root, symlinks=True)
        return Realm(root)

    def run(self, *words: object, realm: Realm | None = None, text: str = "") -> Ran:
        """A `realm` line on the training machine, whose ssh reaches the other one."""
        return call(realm or self.here, *words, env=self.box.environment(), text=text)

    def switch_on(self) -> OracleProcess:
        """Start the other machine's server."""
        self.oracle = OracleProcess(self.far, self.port)
        return self.oracle

    @contextmanager
    def answering(self) -> Iterator[OracleProcess]:
        """The other machine's server for as long as a `with` runs."""
        oracle = self.switch_on()
        try:
            yield oracle
        finally:
            oracle.end(signal.SIGKILL)

    def close(self) -> None:
        """Switch everything off."""
        if self.oracle is not None:
            self.oracle.end(signal.SIGKILL)
        self.box.close()
