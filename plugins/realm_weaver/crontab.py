"""The realm's lines in the user's crontab, between two marks; every other line stays byte for byte."""

from __future__ import annotations

import shlex
import subprocess
import sys

from realm_cli.errors import RealmError
from realm_cli.realm import Realm

MEND_MINUTES = 5
SECONDS = 60.0


def _marks(realm: Realm) -> tuple[bytes, bytes]:
    root = str(realm.root)
    if "\n" in root:
        raise RealmError(
            f"the realm's folder {root!r} has a line break in its name, which a crontab cannot hold", "rename it"
        )
    return (f"# realm {root}: begin (realm cron install)\n".encode(), f"# realm {root}: end\n".encode())


def block(realm: Realm) -> bytes:
    """The lines of this realm with their marks."""
    begin, end = _marks(realm)
    words = [sys.executable, "-m", "realm_cli", "--realm", str(realm.root), "weaver", "mend", "-q"]
    line = shlex.join(words).replace("%", "\\%")  # cron would make a line break of a bare one
    return begin + f"@reboot {line}\n*/{MEND_MINUTES} * * * * {line}\n".encode() + end


def read() -> bytes:
    """The user's crontab; empty when there is none. Raises `RealmError`."""
    done = _crontab("-l")
    if done.returncode == 0:
        return done.stdout
    if b"no crontab" in done.stderr.lower():
        return b""
    raise RealmError(
        f"crontab -l failed: {done.stderr.decode('utf-8', 'replace').strip()}", "may this user have a crontab?"
    )


def write(content: bytes) -> None:
    """Replace the user's crontab. Raises `RealmError`; the one that was there stays then."""
    done = _crontab("-", content=content)
    if done.returncode:
        raise RealmError(
            f"crontab refused the lines: {done.stderr.decode('utf-8', 'replace').strip()}", "nothing was changed"
        )


def _crontab(argument: str, content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["crontab", argument], input=content, capture_output=True, check=False, timeout=SECONDS)
    except FileNotFoundError:
        raise RealmError("there is no program crontab", "install cron, or use systemd: realm weaver systemd") from None
    except subprocess.TimeoutExpired:
        raise RealmError(f"crontab does not answer within {SECONDS:g} s", "try it yourself: crontab -l") from None


def found(realm: Realm, crontab: bytes) -> bytes:
    """The realm's lines as they stand there, with their marks; empty when there are none."""
    at = _place(realm, crontab)
    return crontab[slice(*at)] if at else b""


def without(realm: Realm, crontab: bytes) -> bytes:
    """The crontab without the realm's lines."""
    at = _place(realm, crontab)
    return crontab[: at[0]] + crontab[at[1] :] if at else crontab


def with_block(realm: Realm, crontab: bytes) -> bytes:
    """The crontab with the realm's lines: where they stood, else at the end."""
    at = _place(realm, crontab)
    if at:
        return crontab[: at[0]] + block(realm) + crontab[at[1] :]
    gap = b"" if not crontab or crontab.endswith(b"\n") else b"\n"
    return crontab + gap + block(realm)


def _place(realm: Realm, crontab: bytes) -> tuple[int, int] | None:
    """Where the realm's lines begin and end. Raises `RealmError` when one mark of the two is gone."""
    begin, end = _marks(realm)
    lines = crontab.splitlines(keepends=True)
    # An editor may have given all lines the ends of another system, or have left the last one without.
    bare = [line.rstrip(b"\r\n") + b"\n" for line in lines]
    starts = [number for number, line in enumerate(bare) if line == begin]
    ends = [number for number, line in enumerate(bare) if line == end]
    if not starts and not ends:
        return None
    if len(starts) != 1 or len(ends) != 1 or ends[0] < starts[0]:
        raise RealmError(
            f"the marks of this realm in the crontab do not belong together ({len(starts)} begin, {len(ends)} end)",
            "mend them by hand: crontab -e",
        )
    return sum(map(len, lines[: starts[0]])), sum(map(len, lines[: ends[0] + 1]))
