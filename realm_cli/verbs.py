"""Running a verb of this realm as a process of its own, for what belongs to another plugin or may take long."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Container

from realm_cli import errors
from realm_cli.errors import RealmError
from realm_cli.realm import Realm

_CLASSES = {
    kind.exit_code: kind
    for kind in (RealmError, errors.UsageError, errors.RefusedError, errors.NotFoundError, errors.LockedError)
}


def line_of(realm: Realm, *words: str) -> list[str]:
    """The argument list of `realm --realm DIR WORDS`."""
    return [sys.executable, "-m", "realm_cli", "--realm", str(realm.root), *words]


def call(realm: Realm, *words: str, seconds: float = 60.0, fine: Container[int] = (0,)) -> str:
    """What the verb printed. Its error, with its kind and hint, is raised here; `fine` are exit codes that are none."""
    try:
        done = subprocess.run(
            line_of(realm, *words), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RealmError(
            f"`realm {' '.join(words)}` has not ended within {seconds:.0f} s and was ended", "try it in a terminal"
        ) from None
    if done.returncode not in fine:
        raise _error(done.returncode, words, done.stderr)
    return done.stdout


def _error(code: int, words: tuple[str, ...], said: str) -> RealmError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    problems = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    hints = [line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")]
    message = (problems or lines or [f"it ended with {code}"])[-1]
    return _CLASSES.get(code, RealmError)(f"realm {' '.join(words)}: {message}"[:1000], hints[-1] if hints else "")
