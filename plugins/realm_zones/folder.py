"""A zone as a folder on a machine with the usual GNU tools, reached through a carrier."""

from __future__ import annotations

import io
import subprocess
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from realm_cli.carriers import Carrier
from realm_cli.errors import AwayError, NotFoundError, RealmError, RefusedError
from realm_cli.zones import Copying, FileFact, ZoneState
from realm_zones.copying import copy, source_of

# Each script runs in the zone's root; its arguments are $1, $2 …, never part of its text.
ENTER = 'cd -- "$1" || exit 90; shift; '
STATE = 'stat -f -c "%a %b %S" . && date +%s.%N'
FILES = 'for one do if [ -e "$one" ]; then set -- "$@" "$one"; fi; shift; done; [ $# -eq 0 ] || find "$@" -type f -printf "%s %T@ %p\\0"'
READ = "tar -cf - --null --ignore-failed-read --no-recursion --verbatim-files-from -T - 2>/dev/null; true"
WRITE = 'mkdir -p -- "$1" && cat > "$2" && sync -- "$2" && mv -T -- "$2" "$3" && sync -- "$1"'
# Python's SHA-256 uses the processor's own instructions; the one of coreutils often does not and takes ten times as long.
HASHER = (
    "import hashlib, os, sys\n"
    "from concurrent.futures import ThreadPoolExecutor\n"
    "def hashed(name):\n"
    "    found = hashlib.sha256()\n"
    "    try:\n"
    "        with open(name, 'rb') as file:\n"
    "            for part in iter(lambda: file.read(1 << 20), b''): found.update(part)\n"
    "    except OSError: return b''\n"
    "    return found.hexdigest().encode() + b'  ' + name + b'\\0'\n"
    "names = [name for name in sys.stdin.buffer.read().split(b'\\0') if name]\n"
    "with ThreadPoolExecutor(2) as pool:\n"
    "    for line in pool.map(hashed, names): sys.stdout.buffer.write(line)\n"
)
HASHES = (
    'cd -- "$1" && if [ "$(du -sk . | cut -f1)" -gt 20000 ] && command -v python3 >/dev/null; then python3 -c "$3"; '
    'else xargs -0 -r -n 8 -P "$2" sha256sum -z -- || true; fi'
)
MOVE = (
    '[ ! -e "$2" ] && [ ! -L "$2" ] || exit 91; [ -e "$1" ] || exit 92; '
    'mkdir -p -- "$3" && sync -f -- "$1" && mv -T -n -- "$1" "$2" && [ ! -e "$1" ] && sync -- "$3"'
)
SETTLE = (
    'assets=$1; new=$2; shift 2; sync -f -- .; while [ $# -gt 1 ]; do { [ ! -e "$2" ] && [ ! -L "$2" ]; } || exit 91; [ -e "$1" ] || exit 92; '
    'mkdir -p -- "${2%/*}" && mv -T -n -- "$1" "$2" && [ ! -e "$1" ] && sync -- "${2%/*}" || exit 93; shift 2; done; '
    'mkdir -p -- "$new" && tar -xf - -C "$new" && sync -f -- "$new" && for one in "$new"/*; do mv -T -- "$one" "$assets/${one##*/}" || exit 93; done; '
    'rmdir -- "$new" && sync -- "$assets"'
)
MAKE = 'mkdir -p -- "$1"'
REMOVE = 'rm -rf -- "$1"'
HASHERS = 2
"""Processes that hash at the same time; two keep the usual disk busy."""


class FolderZone:
    """The files under one root."""

    def __init__(self, name: str, root: str, carrier: Carrier) -> None:
        self.name = name
        self._root = root
        self._carrier = carrier
        self._made: set[str] = set()

    def state(self) -> ZoneState:
        """Free and total bytes, the round trip, the clock."""
        begun = time.time()
        words = self._run(STATE).split()
        taken = time.time() - begun
        free, total, block = (int(word) for word in words[:3])
        return ZoneState(free * block, total * block, taken, float(words[3]) - begun - taken / 2)

    def files(self, folders: Sequence[str]) -> dict[str, FileFact]:
        """By `find`."""
        found = {}
        for entry in self._run(FILES, *(f"./{folder}" for folder in folders)).split(b"\0"):
            if entry:
                size, moment, path = entry.split(b" ", 2)
                seconds, _, rest = moment.partition(b".")
                mtime_ns = int(seconds) * 1_000_000_000 + int(rest[:9].ljust(9, b"0"))
                found[path.decode("utf-8", "surrogateescape").removeprefix("./")] = FileFact(int(size), mtime_ns)
        return found

    def read(self, paths: Sequence[str]) -> dict[str, bytes]:
        """By `tar`, all in one go."""
        found: dict[str, bytes] = {}
        if not paths:
            return found
        data = self._run(READ, data=_zero_ended([f"./{path}" for path in paths]))
        try:
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:", errorlevel=0, ignore_zeros=True) as archive:
                for member in archive:
                    file = archive.extractfile(member) if member.isfile() else None
                    if file is not None:
                        found[member.name.removeprefix("./")] = file.read()
        except tarfile.TarError as error:
            hint = "the zone's machine needs GNU tar, and memory to run it"
            raise RealmError(f"zone {self.name}: its tar sent no archive: {error}", hint) from None
        return found

    def write(self, path: str, data: bytes) -> None:
        """Beside it first, then renamed."""
        target = _inside(path)
        folder, _, name = target.rpartition("/")
        self._run(WRITE, folder, f"{folder}/.{name}.{time.time_ns()}.tmp", target, data=data)

    def hashes(self, folder: str, files: Sequence[str]) -> dict[str, str]:
        """There: much by Python where it is installed, little by `sha256sum`, which starts sooner."""
        # A pipe takes up to 4096 bytes in one piece; longer output of two processes could be mixed.
        hashers = HASHERS if all(len(name) < 400 for name in files) else 1
        data = _zero_ended([f"./{name}" for name in files])
        found = {}
        for entry in self._run(HASHES, _inside(folder), str(hashers), HASHER, data=data).split(b"\0"):
            digest, mark, name = entry.partition(b"  ")
            if mark:
                found[name.decode("utf-8", "surrogateescape").removeprefix("./")] = digest.decode()
        return found

    def move(self, source: str, target: str) -> None:
        """With all that is in it; the file system is told to write it down first."""
        goal = _inside(target)
        try:
            self._run(MOVE, _inside(source), goal, goal.rpartition("/")[0])
        except _ExitError as error:
            raise self._unmoved(error, source, target) from None

    def _unmoved(self, error: _ExitError, source: str, target: str) -> RealmError:
        if error.code == 91:
            return RefusedError(f"{target} is in zone {self.name} already", "look: realm vault whereis")
        if error.code == 92:
            return NotFoundError(f"{source} is not in zone {self.name}", "look again: realm vault scan")
        return error

    def settle(self, moves: Sequence[tuple[str, str]], folder: str, papers: Mapping[str, bytes]) -> None:
        """The papers travel as one archive."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name, data in papers.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(data), 0o644
                archive.addfile(member, io.BytesIO(data))
        pairs = [_inside(path) for pair in moves for path in pair]
        fresh = _inside(f"{folder}/.new-{time.time_ns()}")
        try:
            self._run(SETTLE, _inside(folder), fresh, *pairs, data=packed.getvalue())
        except _ExitError as error:
            raise self._unmoved(error, "what was sent", "one of the targets") from None

    def remove(self, path: str) -> None:
        """By `rm`."""
        self._run(REMOVE, _inside(path))

    def push(self, source: Path, target: str, files: Sequence[str], copying: Copying) -> None:
        """By rsync."""
        parent = target.rpartition("/")[0]
        if parent not in self._made:  # rsync makes the last folder only
            self._run(MAKE, _inside(parent))
            self._made.add(parent)
        options, there = self._carrier.rsync(f"{self._root.rstrip('/')}/{target}/")
        copy(self._carrier, [*options, source_of(source), there], files, copying)

    def pull(self, source: str, target: Path, files: Sequence[str], copying: Copying) -> None:
        """By rsync."""
        target.mkdir(parents=True, exist_ok=True)
        options, there = self._carrier.rsync(f"{self._root.rstrip('/')}/{source}/")
        copy(self._carrier, [*options, there, source_of(target)], files, copying)

    def close(self) -> None:
        """Drop the connection."""
        self._carrier.close()

    def _run(self, script: str, *arguments: str, data: bytes = b"") -> bytes:
        """A script in the root. Raises `AwayError` when the root is not there, as on a share that is not mounted."""
        command = ["sh", "-c", ENTER + script, "sh", self._root, *arguments]
        try:
            done = self._carrier.run(command, data)
        except subprocess.TimeoutExpired:
            raise AwayError(f"zone {self.name} does not answer", "is its machine busy or asleep?") from None
        if done.returncode == 90:
            raise AwayError(
                f"zone {self.name} has no folder {self._root}", "make it there; is it a share that is not mounted?"
            )
        if done.returncode:
            raise _ExitError(self.name, done.returncode, done.stderr.decode("utf-8", "replace"))
        return done.stdout


class _ExitError(RealmError):
    """A program in the zone said no."""

    def __init__(self, zone: str, code: int, words: str) -> None:
        first = next((line.strip() for line in words.splitlines() if line.strip()), f"exit code {code}")
        super().__init__(f"zone {zone}: {first[:300]}", _hint(words.lower()))
        self.code = code


def _hint(words: str) -> str:
    if "no space left" in words or "quota" in words:
        return "its disk is full: make room there"
    if "read-only" in words or "permission denied" in words:
        return "give the zone's user write access to its root"
    if "not found" in words:
        return "the zone's machine needs GNU coreutils, findutils, tar and rsync"
    return "look at the message of that machine"


def _inside(path: str) -> str:
    return f"./{path}"


def _zero_ended(names: Sequence[str]) -> bytes:
    return b"".join(name.encode("utf-8", "surrogateescape") + b"\0" for name in names)
