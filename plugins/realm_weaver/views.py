"""Services in rows: for tables, for JSON, in one line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import msgspec

from realm_cli import services
from realm_cli.realm import Realm
from realm_cli.records import seconds_since
from realm_cli.service_records import ServiceState
from realm_cli.terminal import human_bytes, human_seconds
from realm_weaver import processes, requests
from realm_weaver.plan import Plan

SHOWN_ENDS = 10


def document(realm: Realm, plan: Plan | None) -> dict[str, Any]:
    """All that `realm weaver status --json` gives. Without a plan: of the services that a weaver keeps or kept."""
    running = services.weaver(realm)
    wanted = set(requests.read(realm).services)
    seen = services.seen(realm)
    names = list(seen) if plan is None else _names(plan, seen)
    return {
        "weaver": {
            "running": running is not None,
            "pid": running.process.pid if running else None,
            "started_at": running.started_at if running else None,
            "beside_play": bool(running and running.beside),
            "problem": (running.problem or None) if running else None,
        },
        "services": [_row(realm, seen.get(name) or _unknown(plan, name), plan, name in wanted) for name in names],
    }


def _names(plan: Plan, seen: Mapping[str, ServiceState]) -> list[str]:
    """Those of the plan, then those that left it and still run."""
    return [*plan, *(name for name in seen if name not in plan and seen[name].process is not None)]


def _unknown(plan: Plan | None, name: str) -> ServiceState:
    assert plan is not None  # without one, only what was seen is shown
    spec = plan[name]
    return ServiceState(name=name, title=spec.title, needs=list(spec.needs))


def _row(realm: Realm, state: ServiceState, plan: Plan | None, wanted: bool) -> dict[str, Any]:
    mark = state.process
    return {
        "name": state.name, "title": state.title, "state": state.state, "reason": state.reason or None,
        "url": state.url or None, "pid": mark.pid if mark else None, "since": state.since or None,
        "uptime_s": round(seconds_since(state.since), 1) if mark and state.since else None,
        "ready_after_s": state.ready_after_s, "restarts": state.restarts, "failures": state.failures,
        "next_try_at": state.next_try_at or None, "wanted": wanted,
        "enabled": _is_enabled(plan, state.name), "needs": state.needs,
        "memory": processes.memory(mark) if mark else None, "log": str(services.log_path(realm, state.name)),
        "history": [msgspec.to_builtins(ending) for ending in state.history],
    }  # fmt: skip


def _is_enabled(plan: Plan | None, name: str) -> bool | None:
    """None where nobody can tell."""
    if plan is None:
        return None
    return plan[name].enabled if name in plan else False


def table_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Columns that fit 80 characters; reasons are told below the table."""
    return [
        {
            "service": row["name"], "state": row["state"], "for": _age(row), "restarts": row["restarts"],
            "memory": human_bytes(row["memory"]) if row["memory"] else None, "where": row["url"],
        }
        for row in rows
    ]  # fmt: skip


def _age(row: dict[str, Any]) -> str | None:
    return human_seconds(seconds_since(row["since"])) if row["since"] and row["state"] != "stopped" else None


def reasons(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each service that should run and is not ready."""
    found = []
    for row in rows:
        if row["reason"] and (row["wanted"] or row["pid"]) and row["state"] != "ready":
            found.append(f"{row['name']}: {row['reason']}{next_try(row['next_try_at'])}")
    return found


def next_try(moment: str | None) -> str:
    """`; next try in 8s`, or nothing."""
    if not moment:
        return ""
    left = (datetime.fromisoformat(moment) - datetime.now(timezone.utc)).total_seconds()
    return f"; next try in {human_seconds(max(0.0, left))}"


def line(state: ServiceState) -> str:
    """One line on how a service is."""
    if state.state == "ready":
        took = f" (after {state.ready_after_s:.1f} s)" if state.ready_after_s is not None else ""
        return f"{state.name} is ready{f': {state.url}' if state.url else ''}{took}"
    if state.state == "foreign":
        return f"{state.name} is there already{f': {state.url}' if state.url else ''}; {state.reason}"
    why = f": {state.reason}" if state.reason else ""
    return f"{state.name} is {state.state}{why}{next_try(state.next_try_at)}"
