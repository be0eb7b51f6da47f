"""Deleting a copy: never what is needed, never the last that counts, and into a trash first."""

from __future__ import annotations

import posixpath
import re
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from realm_cli import champions, leases, pins, skillstate, store
from realm_cli.errors import NotFoundError, RealmError, RefusedError
from realm_cli.events import emit
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.process import user_name
from realm_cli.realm import Realm
from realm_cli.records import now, seconds_since
from realm_cli.zones import LOCAL, FileFact, Zone, policy
from realm_vault import assets
from realm_vault.catalog import Located, copy_here, folder_of
from realm_vault.delivery import Content, differing
from realm_vault.keeper import Keeper
from realm_vault.records import Asset, AssetRecord, ClaimRecord, Location, TrashRecord
from realm_vault.scanning import lacks

TRASH = ".vault/trash"
PAPER, CONTENT = "trash.json", "content"
DROPPING = ".vault/dropping"
CLAIM_SECONDS = 3600.0
_ENTRY = re.compile(rf"{TRASH}/([0-9TZ.-]+~[A-Za-z0-9._-]+)/{re.escape(PAPER)}")


@dataclass(frozen=True)
class Trashed:
    """Something in a zone's trash."""

    zone: str
    entry: str
    record: TrashRecord


@contextmanager
def _claimed(place: Zone, asset: str) -> Iterator[None]:
    """Say in the zone that its copy is being deleted, before the other copies are counted.

    Of two realms that delete two copies at once each sees the other's claim, whoever comes first.
    """
    path = f"{DROPPING}/{asset}~{uuid.uuid4().hex[:12]}.json"
    claim = ClaimRecord(asset=asset, by=f"{user_name()}@{socket.gethostname()}", at=now())
    place.write(path, store.to_json(claim.to_dict()))
    try:
        yield
    finally:
        place.remove(path)


def _claim_in(place: Zone, listing: Mapping[str, FileFact], asset: str) -> str:
    """Who is deleting a zone's copy; empty when nobody is. The claim of a killed process ends after an hour."""
    papers = [path for path in listing if path.startswith(f"{DROPPING}/{asset}~")]
    for path, text in (place.read(papers) if papers else {}).items():
        claim = ClaimRecord.from_dict(store.parse_json(text, path), path)
        if abs(seconds_since(claim.at)) < CLAIM_SECONDS:
            return f"{claim.by} is deleting it"
    return ""


class Dropper:
    """Deletes copies of assets and brings them back."""

    def __init__(self, realm: Realm, manager: Manager, keeper: Keeper) -> None:
        self.realm = realm
        self._manager = manager
        self._keeper = keeper

    def role_of(self, asset_id: str, asset: Asset) -> str:
        """By which number of other copies it is protected: champion, level_up, or its kind."""
        if asset.kind == "checkpoint":
            champion = champions.read(self.realm, asset.hero)
            if champion is not None and champion.step == asset.step:
                return "champion"
            for skill in skillstate.met(self.realm, asset.hero):
                state = skillstate.read(self.realm, asset.hero, skill)
                if state and any(mastery.step == asset.step for mastery in state.mastered):
                    return "level_up"
        return asset.kind

    def protection(self, asset_id: str, asset: Asset, zone: str) -> str:
        """Why a copy may not be deleted, whatever others there are; empty when it may."""
        if asset_id in pins.read(self.realm):
            return f"it is pinned ({pins.read(self.realm)[asset_id].why or 'no reason given'})"
        lease = leases.held_now(self.realm).get(asset_id)
        if lease:
            return f"it is in use: {lease}"
        if zone == LOCAL and asset.kind == "checkpoint":
            kept = champions.protected_steps(self.realm, asset.hero).get(asset.step)
            if kept:
                return kept
            if Ledger(self.realm, asset.hero).steps()[:1] == [asset.step]:
                return "it is the latest: the next battle begins there"
        if zone == LOCAL and asset.kind in ("model", "config"):
            return "the realm itself works with it"
        return ""

    def drop(self, asset_id: str, zone: str, reason: str, *, dry_run: bool = False) -> str:
        """Move a copy into its zone's trash; returns its full id. Raises `RefusedError` when it is protected or too few other copies are there."""
        self._keeper.places.check(zone)
        with store.locked(folder_of(self.realm) / ".deletions.lock"):
            found = self._keeper.get(asset_id)
            if found.asset is None or zone not in dict(found.copies):
                raise NotFoundError(f"zone {zone} holds no {found.id}", "see: realm vault whereis")
            why = self.protection(found.id, found.asset, zone)
            if why:
                raise RefusedError(f"{found.id} stays in zone {zone}: {why}", "see: realm vault prune")
            content = self._keeper.content(found.id, found.asset, zone)
            if dry_run:
                self._check_copies(found, content, zone)
                return found.id
            place = self._keeper.places.zone(zone)
            with _claimed(place, found.id):
                self._check_copies(found, content, zone)
                self._to_trash(place, content, zone, reason)
        emit(self.realm, self._manager, "asset_dropped", asset=found.id, zone=zone, reason=reason)
        return found.id

    # -- the last copies -----------------------------------------------------------------------------------------

    def _check_copies(self, found: Located, content: Content, zone: str) -> None:
        asset = content.asset
        role = self.role_of(found.id, asset)
        needed = self.copies_needed(role)
        if needed == 0:
            return
        good: list[str] = []
        doubts: list[str] = []
        for other, copy in found.copies:
            if other != zone:
                doubt = self._doubt(other, copy, content, again=role == "champion")
                (doubts if doubt else good).append(f"{other}: {doubt}" if doubt else other)
        if len(good) < needed:
            known = "; ".join(doubts) or "no other zone has it"
            raise RefusedError(
                f"{found.id} stays in zone {zone}: copies.min asks for {needed} other of a {role}, {len(good)} found ({known})",
                f"send it to another zone first: realm vault push {found.id} --zone ZONE",
            )

    def rule(self, found: Located, zone: str) -> str:
        """The last-copy rule in words, from what the catalog knows; a deletion asks the zones themselves."""
        assert found.asset is not None
        role = self.role_of(found.id, found.asset)
        needed = self.copies_needed(role)
        others = [other for other, _ in found.copies if other != zone]
        known = f"known: {', '.join(others)}" if others else "none is known"
        if needed == 0:
            return f"copies.min asks for no other copy of a {role} ({known}); it can be restored from the trash."
        return f"copies.min asks for {needed} other of a {role.replace('_', '-')} ({known}); those are checked when it is deleted."

    def copies_needed(self, role: str) -> int:
        """How many other copies have to be there; 0 where there is one zone only."""
        if len(self._keeper.places.names()) < 2:
            return 0
        needed: int = getattr(policy(self.realm).copies.min, role)
        return needed

    def _doubt(self, zone: str, copy: Location, content: Content, *, again: bool) -> str:
        """Why another copy does not count; empty when it is there now, whole, and was verified not long ago."""
        days = policy(self.realm).copies.max_age_days
        try:
            place = self._keeper.places.zone(zone)
            listing = place.files([content.folder, DROPPING])
            why = _claim_in(place, listing, content.id) or lacks(content.files, listing, content.folder)
            if why:
                return why
            if again or not copy.verified_at or seconds_since(copy.verified_at) > days * 86_400:
                wrong = differing(place, content.folder, content.files)
                if wrong:
                    return f"{wrong[0]} has another SHA-256"
        except RealmError as error:
            return error.message
        return ""

    # -- the trash -----------------------------------------------------------------------------------------------

    def _to_trash(self, place: Zone, content: Content, zone: str, reason: str) -> None:
        asset = content.asset
        stamp = now().replace(":", "").replace("+0000", "Z")
        entry = f"{TRASH}/{stamp}~{content.id}"
        files = {
            name: facts
            for name, facts in content.files.items()
            if asset.kind != "checkpoint" or name != "manifest.json"
        }
        paper = TrashRecord(
            id=content.id, asset_kind=asset.kind, path=asset.path, hero=asset.hero, step=asset.step, reason=reason,
            dropped_at=now(), created_at=asset.created_at, size=asset.size, files=files,
        )  # fmt: skip
        place.write(f"{entry}/{PAPER}", store.to_json(paper.to_dict()))
        place.move(asset.path, f"{entry}/{CONTENT}")
        place.remove(f"{assets.REGISTER}/{content.id}.json")
        self._keeper.catalog.drop_copy(content.id, zone)
        left = self._keeper.catalog.locate(content.id)
        if asset.kind == "checkpoint" and not left.found:
            with suppress(NotFoundError):  # deleted before, or never recorded here
                Ledger(self.realm, asset.hero).bury(asset.step, f"dropped from zone {zone}: {reason}")

    def trash(self, zone: str) -> list[Trashed]:
        """What lies in a zone's trash, newest first."""
        place = self._keeper.places.zone(zone)
        listing = place.files([TRASH])
        full = {path.partition(f"/{CONTENT}")[0] for path in listing if f"/{CONTENT}" in path}
        # A kill between paper and content leaves a paper alone, which is no entry.
        papers = [path for path in listing if _ENTRY.fullmatch(path) and posixpath.dirname(path) in full]
        found = []
        for path, text in place.read(papers).items():
            record = TrashRecord.from_dict(store.parse_json(text, f"{zone}:{path}"), f"{zone}:{path}")
            assets.check_id(record.id)
            assets.safe_files([*record.files, record.path], path)
            found.append(Trashed(zone, posixpath.dirname(path), record))
        return sorted(found, key=lambda one: one.record.dropped_at, reverse=True)

    def restore(self, asset_id: str, zone: str) -> None:
        """Bring the newest trashed copy of an asset back to its place. Raises `NotFoundError` when there is none."""
        full = assets.full_id(asset_id, self.realm.config.hero)
        for one in self.trash(zone):
            if one.record.id == full:
                return self._restore(one)
        raise NotFoundError(f"the trash of zone {zone} holds no {full}", "see: realm vault restore, without an id")

    def _restore(self, one: Trashed) -> None:
        place, record = self._keeper.places.zone(one.zone), one.record
        place.move(f"{one.entry}/{CONTENT}", record.path)
        if one.zone != LOCAL:
            register = AssetRecord(
                id=record.id,
                asset_kind=record.asset_kind,
                path=record.path,
                created_at=record.created_at,
                files=record.files,
            )
            place.write(f"{assets.REGISTER}/{record.id}.json", store.to_json(register.to_dict()))
        place.remove(one.entry)
        asset = Asset(
            kind=record.asset_kind, path=record.path, digest=assets.digest_of(record.files), size=record.size,
            files=len(record.files), created_at=record.created_at, hero=record.hero, step=record.step,
        )  # fmt: skip
        self._keeper.catalog.add_copy(record.id, one.zone, copy_here(asset, verified=False), asset)
        if one.zone == LOCAL:
            self._keeper.enter_into_ledger(asset)
        emit(self.realm, self._manager, "asset_restored", asset=record.id, zone=one.zone)

    def empty_trash(self, zone: str) -> list[Trashed]:
        """Delete for good what lies in the trash longer than `trash_days`."""
        days = policy(self.realm).trash_days
        old = [one for one in self.trash(zone) if seconds_since(one.record.dropped_at) > days * 86_400]
        for one in old:
            self.delete(one)
        return old

    def delete(self, one: Trashed) -> None:
        """Delete something in the trash for good."""
        self._keeper.places.zone(one.zone).remove(one.entry)
