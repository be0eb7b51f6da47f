"""Errors that a person at the terminal can act on.

A `RealmError` says what is wrong and where (`message`), and what to do (`hint`). The edge of the program prints both
and leaves with `exit_code`. Any other exception is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
EXIT_NOT_FOUND = 4
EXIT_LOCKED = 5


class RealmError(Exception):
    """Something failed; `message` says what, where and why, `hint` what to do."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(RealmError):
    """The request itself is wrong: an unknown key, a bad value, an impossible combination."""

    exit_code = EXIT_USAGE


class RefusedError(RealmError):
    """A safety rule refuses the request."""

    exit_code = EXIT_REFUSED


class NotFoundError(RealmError):
    """The named thing does not exist, or nothing is there to act on."""

    exit_code = EXIT_NOT_FOUND


class LockedError(RealmError):
    """Another process holds what is needed."""

    exit_code = EXIT_LOCKED


class AwayError(RealmError):
    """A machine, zone or server cannot be reached now: off, asleep, no network, not mounted. Trying again later may help."""


class SkillAwayError(AwayError):
    """A skill gives no problems or verdicts: its server is down, another one, or answers what is no answer; its library
    is broken, or of no use."""


class FormatError(RealmError):
    """A file does not hold what its format asks for. `where` is the file, with line or key when known."""

    def __init__(self, where: str, problem: str, hint: str = "") -> None:
        super().__init__(f"{where}: {problem}", hint)
        self.where = where
        self.problem = problem


class NewerFormatError(FormatError):
    """A file that is whole, but written by a newer Realm: to be refused, never set aside."""


class StorageError(RealmError):
    """The disk refused a read or a write (full, read-only, no permission, I/O error)."""

    def __init__(self, action: str, path: Path, cause: OSError) -> None:
        reason = cause.strerror or str(cause)
        super().__init__(f"cannot {action} {path}: {reason}", _storage_hint(cause.errno, path))
        self.errno = cause.errno
        self.path = path


def _storage_hint(number: int | None, path: Path) -> str:
    import errno

    if number in (errno.ENOSPC, errno.EDQUOT):
        return f"free space on the disk that holds {path.parent}, then try again"
    if number == errno.EROFS:
        return f"the file system that holds {path.parent} is mounted read-only; mount it writable, then try again"
    if number in (errno.EACCES, errno.EPERM):
        return f"give your user write access to {path.parent}"
    return "check the path and the disk, then try again"


def nearest(word: str, choices: Iterable[str]) -> str:
    """`did you mean 'x'?` for the choice nearest to `word`; otherwise the list of all choices."""
    from difflib import get_close_matches

    known = sorted(choices)
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(known)}" if known else "none is known"
