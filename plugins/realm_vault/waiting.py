"""Transfers that wait for their zone or were cut off: taken up again."""

from __future__ import annotations

from dataclasses import dataclass

from realm_cli import store
from realm_cli.errors import LockedError, RealmError
from realm_vault import transfers
from realm_vault.keeper import Keeper


@dataclass(frozen=True)
class Sent:
    """What became of one transfer that waited."""

    asset: str
    zone: str
    state: str
    """sent, waits or failed."""
    reason: str = ""


def recover(keeper: Keeper) -> list[str]:
    """Transfers whose process is gone: a push waits again, a fetch has failed. Returns their assets."""
    found = []
    for record in transfers.read_all(keeper.realm):
        if record.state != "running":
            continue
        try:
            with store.locked(transfers.lock_of(keeper.realm, record.asset, record.zone), wait=False):
                if record.direction == "push":
                    transfers.queue(keeper.realm, record, "it was cut off")
                else:
                    transfers.end(keeper.realm, record, "failed", "it was cut off", 0.0)
        except LockedError:
            continue  # it is on its way
        found.append(record.asset)
    return found


def send(keeper: Keeper) -> list[Sent]:
    """Send what waits, oldest first; a zone that is away is asked once."""
    recover(keeper)
    done: list[Sent] = []
    away: dict[str, str] = {}
    for record in transfers.waiting(keeper.realm):
        if record.zone in away:
            done.append(Sent(record.asset, record.zone, "waits", away[record.zone]))
            continue
        try:
            moved = keeper.push(record.asset, record.zone)
        except LockedError:
            continue  # somebody else sends it
        except RealmError as error:
            transfers.end(keeper.realm, record, "failed", error.message, 0.0)
            done.append(Sent(record.asset, record.zone, "failed", error.message))
            continue
        if moved.success:
            transfers.forget(keeper.realm, record)
            done.append(Sent(record.asset, record.zone, "sent"))
        else:
            away[record.zone] = moved.reason
            done.append(Sent(record.asset, record.zone, "waits", moved.reason))
    return done
