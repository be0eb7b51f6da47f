"""Silence that nobody would notice: zones that nothing new reached."""

from __future__ import annotations

from realm_cli import store
from realm_cli.records import seconds_since
from realm_cli.zones import LOCAL
from realm_vault.catalog import folder_of
from realm_vault.keeper import Keeper
from realm_vault.records import ZoneMark


def missing(keeper: Keeper) -> dict[str, float]:
    """Zones that no new checkpoint has reached for too long (`alarm_days`), with the days.

    Counted from the newest checkpoint that a zone has, or from its first day, to the newest one of this realm.
    """
    found = {}
    assets = [one for one in keeper.catalog.read().assets.values() if one.kind == "checkpoint" and one.created_at]
    newest = max((one.created_at for one in assets if LOCAL in one.locations), default="")
    for zone in keeper.places.names()[1:] if newest else []:
        limit = keeper.places.config(zone).alarm_days
        there = max((one.created_at for one in assets if zone in one.locations), default="")
        since = there or _first_day(keeper, zone)
        days = (seconds_since(since) - seconds_since(newest)) / 86_400 if since else 0.0
        if limit and days > limit:
            found[zone] = days
    return found


def _first_day(keeper: Keeper, zone: str) -> str:
    mark = store.read_or_set_aside(folder_of(keeper.realm) / "zones" / f"{zone}.json", ZoneMark)
    return mark.made_at if mark else ""
