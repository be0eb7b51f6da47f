"""Another machine for the vault's tests: a real sshd with throwaway keys on a high port of the loopback interface."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import yaml

from helpers import environment, free_port, wait_for
from realm_cli import checkpoints, store
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_cli.zones import zones_file

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
HERO = "dio-mini"


class Box:
    """A machine that is reached with ssh alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "far zone"
        self.root.mkdir(parents=True)
        self.port = free_port()
        self._sockets = tempfile.TemporaryDirectory(prefix="rz")  # a socket's path is short
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        shutil.copy(folder / "user.pub", folder / "authorized")
        self.known = folder / "known_hosts"
        self.trust()
        self._write_configs()
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def trust(self) -> None:
        """Know its present host key."""
        self.known.write_text(f"[127.0.0.1]:{self.port} {(self.folder / 'host.pub').read_text()}")

    def _write_configs(self) -> None:
        (self.folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder / 'host'}\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.folder / 'authorized'}\nPasswordAuthentication no\nStrictModes no\n"
            "PermitRootLogin yes\nKbdInteractiveAuthentication no\nSubsystem sftp internal-sftp\nAcceptEnv SHLVL\n"
        )
        # A shell that another one has begun reads no ~/.bashrc of the account: that may take its time, or wait for a lock
        # that a session which was killed has left.
        (self.folder / "ssh_config").write_text(
            f"SetEnv SHLVL=9\nIdentityFile {self.folder / 'user'}\nIdentitiesOnly yes\nUserKnownHostsFile {self.known}\n"
            "GlobalKnownHostsFile /dev/null\n"
        )
        # OpenSSH takes the user's configuration from the account's home, whatever HOME says: so ssh is given another one.
        program = self.folder / "bin" / "ssh"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F "{self.folder / "ssh_config"}" "$@"\n')
        program.chmod(0o755)

    def skew(self, seconds: int) -> None:
        """Let its clock be wrong: programs there are told another time."""
        folder = self.folder / "far bin"
        folder.mkdir(exist_ok=True)
        program = folder / "date"
        program.write_text(f'#!/bin/sh\nexec {shutil.which("date")} -d "{seconds:+d} seconds" "$@"\n')
        program.chmod(0o755)
        self.stop()
        with (self.folder / "sshd_config").open("a") as config:
            config.write(f'SetEnv PATH="{folder}:{os.environ["PATH"]}"\n')
        self.start()

    def start(self) -> None:
        """Switch it on."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        with (self.folder / "sshd.log").open("ab") as log:
            line = [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")]
            self.process = subprocess.Popen(line, stderr=log, start_new_session=True)
        wait_for(self._answers, "sshd")

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """Pull the plug: the server and every open connection die at once."""
        if self.process is not None:
            children = subprocess.run(["pgrep", "-f", f"{self.folder}/"], capture_output=True, text=True).stdout.split()
            for pid in [self.process.pid, *_below(self.process.pid), *map(int, children)]:
                if pid != os.getpid():
                    _kill(pid)
            self.process.wait()
            self.process = None

    def environment(self) -> dict[str, str]:
        """In which ssh reaches this box."""
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return {**environment(), "PATH": path, "XDG_RUNTIME_DIR": self._sockets.name}

    def close(self) -> None:
        """Switch it off for good."""
        self.stop()
        subprocess.run(["pkill", "-f", self._sockets.name], check=False)
        self._sockets.cleanup()


def _below(pid: int) -> list[int]:
    """All processes that a process has started, and theirs."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return [one for child in map(int, found) for one in (child, *_below(child))]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def write_zones(realm: Realm, box: Box, **more: object) -> None:
    """The zones `far` (ssh, in the box) and `usb` (a folder here), and those that are given."""
    usb = realm.root.parent / "usb"
    usb.mkdir(exist_ok=True)
    zones = {"far": {"type": "ssh", "host": "box", "root": str(box.root)}, "usb": {"type": "local", "root": str(usb)}}
    zones_file(realm).write_text(yaml.safe_dump({"zones": {**zones, **more}}))
    hosts = {"box": {"host": "127.0.0.1", "role": "storage", "ssh_port": box.port, "ssh_user": getpass.getuser()}}
    (realm.configs / "hosts.yaml").write_text(yaml.safe_dump({"hosts": hosts}))


def make_checkpoint(realm: Realm, step: int, *, size: int = 50_000, files: int = 2, hero: str = HERO) -> Path:
    """A checkpoint as a battle leaves it, of random weights."""
    name = f"checkpoint-{step}-20261124-1200"
    folder = realm.hero_folder(hero) / name
    folder.mkdir(parents=True)
    for number in range(files):
        (folder / f"part {number}.safetensors").write_bytes(os.urandom(size))
    record = LedgerRecord(
        hero=hero, step=step, canonical_name=name, weights_sha256="0" * 64, created_at=now(), train_loss=1 / step
    )
    store.write_record(folder / checkpoints.LEDGER_MIRROR, record)
    checkpoints.write_manifest(folder, name, now())
    Ledger(realm, hero).record(record)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """All files under a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
