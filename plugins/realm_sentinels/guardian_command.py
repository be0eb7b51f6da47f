"""`realm guardian`."""

from __future__ import annotations

import logging
import signal
import threading
import time

import click

from realm_cli import services, store
from realm_cli.errors import RealmError
from realm_cli.terminal import Context, note, pass_context_realm, quiet_option
from realm_sentinels.service import NAME

log = logging.getLogger("realm.guardian")
LOOK_SECONDS = 2.0
BEAT_SECONDS = 1.0


class Heart:
    """Beats at most once a second, however often it is asked to."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._beaten_at = 0.0

    def beat(self) -> None:
        """A sign of life. A disk that refuses it ends nothing."""
        moment = time.monotonic()
        if moment - self._beaten_at < BEAT_SECONDS:
            return
        self._beaten_at = moment
        try:
            services.beat(self._ctx.realm, NAME)
        except RealmError as error:
            log.debug("%s", error.message)


@click.command("guardian")
@quiet_option
@pass_context_realm
def guardian_command(ctx: Context, quiet: bool) -> None:
    """Watch the battle until Ctrl-C: one that hangs is ended, one that hung or crashed is started again."""
    from realm_sentinels.guardian import Guardian

    realm, over = ctx.realm, threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: over.set())
    store.make_folders([realm.status, realm.logs])
    with store.locked(realm.status / ".guardian.lock", wait=False, owner="another guardian of this realm"):
        heart = Heart(ctx)
        guardian = Guardian(realm, ctx.manager, heart.beat)
        services.announce(realm, NAME)
        if not quiet:
            note("watching the battle; Ctrl-C ends it")
        trouble = ""
        while not over.is_set():
            before, trouble = trouble, ""
            try:
                guardian.look()
            except RealmError as error:
                trouble = error.message
                if trouble != before:  # said once while it lasts
                    log.warning("%s", trouble)
            except Exception as error:  # the edge of a look: the guardian stays at its post
                trouble = repr(error)
                if trouble != before:
                    log.exception("a look at the battle failed")
            heart.beat()
            over.wait(LOOK_SECONDS)
