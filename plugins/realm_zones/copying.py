"""Copying with rsync: exactly the files that are named, into a folder that goes on from what it holds."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from realm_cli.carriers import Carrier
from realm_cli.errors import AwayError, RealmError
from realm_cli.zones import Copying

QUIET_SECONDS = 180
"""How long nothing may come: a far shell may wait a minute for a lock of its own before it begins, a disk has to wake. A
connection that is gone is noticed by ssh, and sooner."""
BROKEN = (10, 12, 30, 35, 255)
"""rsync's exit codes of a connection that broke or was never there (rsync(1), EXIT VALUES)."""
_DONE = re.compile(rb"^\s*([\d,]+)\s+\d+%")


def copy(carrier: Carrier, line: Sequence[str], files: Sequence[str], copying: Copying) -> None:
    """Run rsync over `files`. `line` ends with the source and the target folder.

    A file that is shorter there is continued, which its hash then has to prove. Raises `AwayError` when the connection
    breaks; the part that has arrived stays.
    """
    options = ["rsync", "-rt", "--append", "-s", "--files-from=-", "--from0", "--info=progress2", "--outbuf=L"]
    # A hidden half must not be kept from being gone on with or deleted by the modes of its source.
    options += ["--chmod=Du=rwx,Fu=rw", f"--timeout={QUIET_SECONDS}"]
    if copying.limit_kb:
        options.append(f"--bwlimit={copying.limit_kb}")
    with tempfile.TemporaryFile() as names, tempfile.TemporaryFile() as said:
        names.write(b"".join(name.encode("utf-8", "surrogateescape") + b"\0" for name in files))
        names.seek(0)
        try:
            process = subprocess.Popen([*options, *line], stdin=names, stdout=subprocess.PIPE, stderr=said)
        except FileNotFoundError as error:
            raise RealmError("rsync is not installed", "install rsync on this machine and in the zone") from error
        try:
            _follow(process, copying)
        except BaseException:
            process.kill()
            raise
        finally:
            code = process.wait()
        said.seek(0)
        if code:
            raise _error(carrier, code, said.read().decode("utf-8", "replace"))


def _follow(process: subprocess.Popen[bytes], copying: Copying) -> None:
    assert process.stdout is not None
    with process.stdout as told:
        while chunk := told.read1(65_536):  # type: ignore[attr-defined]
            match = _DONE.match(chunk.rpartition(b"\r")[2])
            if match and copying.progress is not None:
                copying.progress(int(match[1].replace(b",", b"")))


def _error(carrier: Carrier, code: int, words: str) -> RealmError:
    found = carrier.explain(words)
    if found is not None:
        return found
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    first = lines[0][:300] if lines else f"exit code {code}"
    if "no space left" in words.lower() or "disk quota" in words.lower():
        return RealmError(f"the disk there is full: {first}", "make room, then send it again: it goes on from there")
    if "read-only file system" in words.lower() or "permission denied" in words.lower():
        return RealmError(f"cannot be written there: {first}", "give the zone's user write access to its root")
    if "command not found" in words.lower() or code == 127:
        return RealmError(f"rsync is missing there: {first}", "install rsync on that machine")
    if code in BROKEN or code < 0:
        return AwayError(f"the connection broke: {first}", "try again: it goes on from where it was")
    return RealmError(f"rsync failed ({code}): {first}", "look at the message of rsync")


def source_of(folder: Path) -> str:
    """How rsync is told the content of a local folder."""
    return f"{folder.absolute()}/"
