"""What people do on the page `/vault`: what is quick is done at once, what takes long is queued as a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from flask import Blueprint
from flask.typing import ResponseReturnValue
from msgspec import Meta

from realm_cli import pins, risks
from realm_cli.errors import RealmError, RefusedError, UsageError
from realm_cli.manager import Manager
from realm_cli.pages import data, done
from realm_cli.process import user_name
from realm_cli.realm import Realm
from realm_cli.terminal import human_bytes
from realm_cli.zones import LOCAL
from realm_vault.assets import check_id, full_id
from realm_vault.dropping import Dropper
from realm_vault.exporting import TAR, export
from realm_vault.jobs import Jobs
from realm_vault.keeper import Keeper, Moved
from realm_vault.pruning import carry_out, plan

Words = Annotated[str, Meta(max_length=300)]


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    asset: Words
    zone: Words


class _Dropped(msgspec.Struct, forbid_unknown_fields=True):
    asset: Words
    zone: Words
    reason: Words = "asked for on the page"


class _Pinned(msgspec.Struct, forbid_unknown_fields=True):
    asset: Words
    why: Words = ""


class _Exported(msgspec.Struct, forbid_unknown_fields=True):
    asset: Words
    form: Literal["folder", "tar.zst"] = "folder"


class _Zoned(msgspec.Struct, forbid_unknown_fields=True):
    zone: Words


def add_routes(routes: Blueprint, realm: Realm, manager: Manager, keeper: Keeper, dropper: Dropper, jobs: Jobs) -> None:
    """All that can be ordered."""
    orders = _Orders(realm, manager, keeper, dropper, jobs)
    for verb in ("push", "pull", "verify", "scan", "prune", "export", "pin", "unpin", "rm", "restore"):
        view: Callable[[], ResponseReturnValue] = getattr(orders, verb)
        routes.add_url_rule(f"/api/vault/{verb}", f"order_{verb}", view, methods=["POST"])


class _Orders:
    """One method for each order."""

    def __init__(self, realm: Realm, manager: Manager, keeper: Keeper, dropper: Dropper, jobs: Jobs) -> None:
        self.realm = realm
        self.manager = manager
        self.keeper = keeper
        self.dropper = dropper
        self.jobs = jobs

    # -- queued --------------------------------------------------------------------------------------------------

    def push(self) -> ResponseReturnValue:
        """Send an asset to a zone."""
        asset, zone = self._known(data(_Asked))
        return self._ask(f"push {asset} to {zone}", lambda: _told(self.keeper.push(asset, zone)), asset)

    def pull(self) -> ResponseReturnValue:
        """Bring an asset here."""
        asset, zone = self._known(data(_Asked))
        return self._ask(f"pull {asset} from {zone}", lambda: _told(self.keeper.fetch(asset, zone=zone)), asset)

    def verify(self) -> ResponseReturnValue:
        """Hash a copy again."""
        asset, zone = self._known(data(_Asked))
        return self._ask(f"verify {asset} in {zone}", lambda: self._verified(asset, zone), asset)

    def _verified(self, asset: str, zone: str) -> str:
        if zone == LOCAL:
            self.keeper.scan()  # what was edited since the last scan is no damage
        wrong = self.keeper.verify(asset, zone)
        if wrong:
            mended = self.keeper.mend(asset, zone)
            fate = "a good copy is in its place now" if mended else "no good copy took its place"
            raise RealmError(f"{asset} in zone {zone} is damaged: {wrong[0]}", fate)
        return "every file has the right SHA-256"

    def scan(self) -> ResponseReturnValue:
        """Look what lies in a zone."""
        zone = data(_Zoned).zone
        self.keeper.places.check(zone)

        def work() -> str:
            found = self.keeper.scan(zone)
            wrong = f"; {len(found.wrong)} not whole: {found.wrong[0]}" if found.wrong else ""
            return f"{len(found.assets):,} assets{wrong}"

        return self._ask(f"scan {zone}", work)

    def prune(self) -> ResponseReturnValue:
        """Delete what no rule of a zone keeps."""
        zone = data(_Zoned).zone
        self.keeper.places.check(zone)
        if not self.keeper.places.config(zone).keep:
            raise RefusedError(f"zone {zone} has no rules", "write `keep` into zones.yaml")

        def work() -> str:
            risks.before(self.realm, self.manager, "pruning")
            self.keeper.scan(zone)
            drops = [one for one in plan(self.realm, self.keeper, self.dropper, zone) if one.drop]
            outcomes = [carry_out(self.dropper, one, apply=True) for one in drops]
            gone = sum(one.size for one, outcome in zip(drops, outcomes, strict=True) if outcome == "dropped")
            stayed = [outcome for outcome in outcomes if outcome != "dropped"]
            rest = f"; {len(stayed)} stayed, {stayed[0]}" if stayed else ""
            return f"{len(outcomes) - len(stayed)} went to the trash ({human_bytes(gone)}){rest}"

        return self._ask(f"prune {zone}", work, "", "/vault/prune")

    def export(self) -> ResponseReturnValue:
        """Write a checkpoint for other tools, under `exports/`."""
        given = data(_Exported)
        found = self.keeper.get(given.asset)
        asset = found.asset
        if asset is None or asset.kind != "checkpoint":
            raise UsageError(f"{found.id} is no checkpoint", "only checkpoints are exported")
        dest = self.realm.root / "exports" / (found.id + (TAR if given.form == "tar.zst" else ""))
        if dest.exists():
            raise RefusedError(f"{dest.relative_to(self.realm.root)} exists", "it was exported before; move it away")

        def work() -> str:
            if not (self.realm.root / asset.path).is_dir():
                self.keeper.fetch(found.id)
            return f"written to {export(self.realm, asset.hero, self.realm.root / asset.path, dest)}"

        return self._ask(f"export {found.id} as a {given.form}", work, found.id)

    def _ask(self, words: str, work: Callable[[], str], asset: str = "", back: str = "") -> ResponseReturnValue:
        job = self.jobs.ask(words, work)
        target = back or (f"/vault/asset/{asset}" if asset else "/vault")
        return done({"job": job.number, "state": job.state}, f"asked for: {words}", target)

    def _known(self, given: _Asked) -> tuple[str, str]:
        """The full id and the zone. Raises `NotFoundError`."""
        self.keeper.places.check(given.zone)
        return self.keeper.get(given.asset).id, given.zone

    # -- at once -------------------------------------------------------------------------------------------------

    def pin(self) -> ResponseReturnValue:
        """Let an asset stay."""
        given = data(_Pinned)
        name = self.keeper.get(given.asset).id
        pins.pin(self.realm, name, given.why, user_name())
        return done({"asset": name, "pinned": True}, f"{name} is pinned", f"/vault/asset/{name}")

    def unpin(self) -> ResponseReturnValue:
        """Let it go again."""
        given = data(_Pinned)
        name = full_id(given.asset, self.realm.config.hero)
        was = pins.unpin(self.realm, name)
        said = f"{name} is no longer pinned" if was else f"{name} was not pinned"
        return done({"asset": name, "pinned": False}, said, f"/vault/asset/{name}")

    def rm(self) -> ResponseReturnValue:
        """Move a copy into its zone's trash. Refused where the last-copy rule forbids it."""
        given = data(_Dropped)
        name = self.dropper.drop(given.asset, given.zone, given.reason)
        said = f"{name} went to the trash of zone {given.zone}; bring it back: realm vault restore {name} --zone {given.zone}"
        return done({"asset": name, "zone": given.zone}, said, "/vault/prune")

    def restore(self) -> ResponseReturnValue:
        """Bring a copy back from its zone's trash."""
        given = data(_Asked)
        self.keeper.places.check(given.zone)
        self.dropper.restore(check_id(given.asset), given.zone)
        return done({"asset": given.asset, "zone": given.zone}, f"{given.asset} is back", f"/vault/asset/{given.asset}")


def _told(moved: Moved) -> str:
    if moved.state == "queued":
        return f"waits for zone {moved.zone}: {moved.reason}"
    if moved.state == "there":
        return "it was there already"
    return f"{human_bytes(moved.bytes)} in {moved.seconds:.1f} s, verified"
