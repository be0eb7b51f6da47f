"""A user unit of systemd that runs the weaver of one realm."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

from realm_cli.errors import EXIT_LOCKED, RealmError
from realm_cli.realm import Realm

STOP_SECONDS = 660
"""A battle that is kept as a service may take ten minutes to save."""


def unit_name(realm: Realm) -> str:
    """`realm-weaver-<folder>-<six digits>.service`: two realms never share one."""
    folder = re.sub(r"[^A-Za-z0-9_.]+", "-", realm.root.name).strip("-.") or "realm"
    return f"realm-weaver-{folder}-{hashlib.sha256(os.fsencode(realm.root)).hexdigest()[:6]}.service"


def unit(realm: Realm) -> str:
    """The unit's text."""
    words = [sys.executable, "-m", "realm_cli", "--realm", str(realm.root), "weaver", "daemon"]
    return "\n".join([
        "[Unit]",
        f"Description=Weaver of the realm {_plain(str(realm.root))}",
        "",
        "[Service]",
        "Type=exec",
        f"ExecStart={' '.join(map(_quoted, words))}",
        f"WorkingDirectory={_plain(str(realm.root))}",
        "Restart=on-failure",
        "RestartSec=5",
        f"RestartPreventExitStatus={EXIT_LOCKED}",
        "KillMode=mixed",
        f"TimeoutStopSec={STOP_SECONDS}",
        "",
        "[Install]",
        "WantedBy=default.target",
        "",
    ])  # fmt: skip


def _plain(text: str) -> str:
    """For values that systemd takes whole."""
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """A word of a command line as systemd reads it."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def folder() -> Path:
    """Where systemd looks for a user's units."""
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(config) / "systemd" / "user"


def install(realm: Realm) -> Path:
    """Write the unit and let systemd know it; it is started by its user. Raises `RealmError`."""
    from realm_cli import store

    path = folder() / unit_name(realm)
    store.make_folders([path.parent])
    store.write_atomic(path, unit(realm).encode())
    try:
        done = subprocess.run(
            ["systemctl", "--user", "daemon-reload"], capture_output=True, text=True, check=False, timeout=60
        )
    except FileNotFoundError:
        raise RealmError(
            f"{path} is written, but there is no program systemctl", "without systemd: realm cron install"
        ) from None
    if done.returncode:
        raise RealmError(
            f"{path} is written, but systemctl --user failed: {done.stderr.strip()}", "log in as that user, not by su"
        )
    return path
