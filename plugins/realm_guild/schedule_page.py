"""The page `/scheduler`: which skill is forged next and why, the strategy, presets, the settings of each skill."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue
from msgspec import UNSET, Meta, UnsetType

from realm_cli.errors import NotFoundError, UsageError
from realm_cli.manager import Manager
from realm_cli.pages import Page, data, done, fragment, render
from realm_cli.realm import Realm
from realm_guild import outlook, presets
from realm_guild.presets import Change, Strategy

PARTS = ("next", "strategy", "skill")
Name = Annotated[str, Meta(min_length=1, max_length=80)]


class _Strategy(msgspec.Struct, forbid_unknown_fields=True):
    strategy: Strategy | None = None
    focus: Name | None = None
    focus_share: Annotated[float, Meta(gt=0, le=1)] | None = None


class _Preset(msgspec.Struct, forbid_unknown_fields=True):
    preset: Name


class _Skill(msgspec.Struct, forbid_unknown_fields=True):
    skill: Name
    enabled: bool | UnsetType = UNSET
    priority: Annotated[int, Meta(ge=-1000, le=1000)] | UnsetType = UNSET
    weight: Annotated[float, Meta(ge=0.01, le=100)] | UnsetType = UNSET
    target: Annotated[int, Meta(ge=1)] | UnsetType | None = UNSET


def make(realm: Realm, manager: Manager) -> Blueprint:
    """The routes."""
    routes = Blueprint("forge_plan", __name__, template_folder="templates")

    def facts() -> dict[str, Any]:
        return outlook.as_json(realm, outlook.look(realm, manager))

    def save(change: Change, reason: str) -> ResponseReturnValue:
        edit = presets.save(realm, change, reason)
        current_app.extensions["watch"].look_now()  # all browsers see it at once
        rows, found = presets.changed(realm, edit), facts()
        changed = ", ".join(f"{one['key']} {outlook.value(one['after'])}" for one in rows) or "it was so already"
        notes = [text for text in (presets.was_list(edit), *found["notes"]) if text]
        backup = edit.backup.relative_to(realm.root).as_posix() if edit.backup else None
        said = "; ".join([changed, f"next: {outlook.next_words(found)}", *notes])
        return done({"changed": rows, "backup": backup, "next": found["next"], "notes": notes}, said, "/scheduler")

    @routes.get("/scheduler")
    def page() -> str:
        part = fragment()
        if part not in ("", *PARTS):
            raise NotFoundError(f"the page has no part '{part[:40]}'", f"known: {', '.join(PARTS)}")
        plan = facts()
        one = next((one for one in plan["skills"] if one["id"] == request.args.get("skill")), None)
        if part == "skill" and one is None:
            raise NotFoundError(
                "the page has no such skill", "known: " + ", ".join(one["id"] for one in plan["skills"])
            )
        return render(f"schedule/{part or 'page'}.html", plan=plan, one=one, presets=presets.PRESETS, outlook=outlook)

    @routes.get("/api/schedule", endpoint="api")
    def api() -> dict[str, Any]:
        return facts()

    @routes.post("/api/schedule")
    def strategy() -> ResponseReturnValue:
        given = data(_Strategy)
        if given == _Strategy():
            raise UsageError("nothing is to be changed", "fields: strategy, focus, focus_share")
        return save(
            presets.strategy_change(realm, given.strategy, given.focus, given.focus_share), "set the curriculum"
        )

    @routes.post("/api/schedule/preset")
    def preset() -> ResponseReturnValue:
        name = data(_Preset).preset
        return save(presets.preset_change(realm, name), f"curriculum preset {name}")

    @routes.post("/api/schedule/skill")
    def skill() -> ResponseReturnValue:
        given = data(_Skill)
        values = {key: value for key, value in msgspec.structs.asdict(given).items() if value is not UNSET}
        if not request.is_json:
            values.setdefault("target", None)  # an empty field
        del values["skill"]
        return save(presets.skill_change(realm, given.skill, values), f"set the curriculum of {given.skill}")

    return routes


PAGE = Page(
    name="forge", title="Forge", plain="Curriculum", icon="forge", order=32, path="/scheduler", make=make
)  # fmt: skip
