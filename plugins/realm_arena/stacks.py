"""`logs/battle.stacks`: where every thread stood, when the battle is asked (SIGUSR1), crashes in native code or breaks."""

from __future__ import annotations

import faulthandler
import os
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from realm_cli.errors import RealmError
from realm_cli.realm import Realm


@contextmanager
def written(realm: Realm) -> Iterator[None]:
    """For the life of a battle. What an earlier one left stands in `battle.stacks.1`. A disk that refuses is no reason not to fight."""
    path = realm.logs / "battle.stacks"
    with suppress(OSError):
        if path.stat().st_size:
            os.replace(path, path.with_name("battle.stacks.1"))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError:
        yield
        return
    faulthandler.enable(descriptor)
    faulthandler.register(signal.SIGUSR1, descriptor)
    try:
        yield
    except BaseException as error:
        said = f"error: {error.message}\n" if isinstance(error, RealmError) else traceback.format_exc()
        with suppress(OSError):
            os.write(descriptor, said.encode("utf-8", "replace"))
        raise
    finally:
        faulthandler.unregister(signal.SIGUSR1)
        faulthandler.disable()
        os.close(descriptor)
