"""The ledger's pages: all checkpoints in a list, and each one alone."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, jsonify, request
from flask.typing import ResponseReturnValue

from realm_cli.errors import NotFoundError, UsageError
from realm_cli.ledgerview import Views, views_of
from realm_cli.manager import Manager
from realm_cli.pages import Page, fragment, render
from realm_cli.realm import Realm
from realm_cli.terminal import human_bytes
from realm_tavern import checkpoints_detail as details
from realm_tavern.checkpoints_query import Finder, Query, as_json, marks

PROMOTE = "guild.promote"
"""The view that makes a checkpoint the champion, where the guild is installed."""


def make(realm: Realm, manager: Manager) -> Blueprint:
    """The routes."""
    routes = Blueprint("checkpoints", __name__)
    views, finder = views_of(realm), Finder()
    views.warm()

    @routes.get("/checkpoints")
    def ledger() -> str:
        part = fragment()
        if part not in ("", "table"):
            raise NotFoundError(f"the page has no part '{part[:40]}'", "known: table")
        query = Query.of_request("fragment")
        facts = _found(realm, views, finder, query)
        facts["last_page"] = facts.pop("pages")  # in templates `pages` are those of the frame
        template = "checkpoints/table.html" if part else "checkpoints/page.html"
        return render(template, query=query, sorts=query.SORTS, bytes=human_bytes, **facts)

    @routes.get("/api/checkpoints")
    def checkpoints() -> ResponseReturnValue:
        """A hundred checkpoints, sorted and filtered."""
        query = Query.of_request()
        found = _found(realm, views, finder, query)
        del found["skills"], found["reasons"]
        return jsonify({**found, "sort": query.sort, "order": query.order})

    _add_single(routes, realm, views)
    return routes


def _add_single(routes: Blueprint, realm: Realm, views: Views) -> None:
    @routes.get("/checkpoint/<step>")
    def checkpoint(step: str) -> str:
        view = views.active()
        listing = view.listing()
        found = details.detail(realm, view.ledger, listing, details.step_of(step))
        own = marks(realm, listing, view.ledger.hero).get(found.record.step, [])
        return render(
            "checkpoints/checkpoint.html", found=found, record=found.record, marks=[] if found.grave else own,
            with_step=request.args.get("with", ""), compared=_compared(views, found), bytes=human_bytes,
            can_promote=PROMOTE in current_app.view_functions and found.is_here and "champion" not in own,
            has_skills=any(rule.rule.startswith("/skill/") for rule in current_app.url_map.iter_rules()),
        )  # fmt: skip

    @routes.get("/api/checkpoints/<step>")
    def one(step: str) -> ResponseReturnValue:
        """One checkpoint with evals, lineage, files and what keeps it."""
        view = views.active()
        listing = view.listing()
        found = details.detail(realm, view.ledger, listing, details.step_of(step))
        own = [] if found.grave else marks(realm, listing, view.ledger.hero).get(found.record.step, [])
        return jsonify({**found.as_json(), "marks": own, "compared": _compared(views, found)})


def _found(realm: Realm, views: Views, finder: Finder, query: Query) -> dict[str, Any]:
    """The rows of one page, and what stands around them."""
    view = views.active()
    listing = view.listing()
    shown = finder.find(view, listing, query)
    marked = marks(realm, listing, view.ledger.hero)
    rows = [as_json(row, marked) for row in shown.rows]
    for row in rows:
        row["reason"] = details.why_deleted(view.ledger, row["name"]) if row["deleted"] else None
    return {
        "hero": view.ledger.hero, "checkpoints": rows, "total": shown.total, "page": shown.page, "pages": shown.pages,
        "kept": len(listing.kept), "deleted": len(listing.buried), "skills": listing.skills,
        "reasons": listing.reasons, "problems": listing.problems,
    }  # fmt: skip


def _compared(views: Views, found: details.Detail) -> list[dict[str, Any]]:
    """The comparison that the address asks for (`?with=STEP`); empty without one."""
    text = request.args.get("with", "")
    if not text:
        return []
    try:
        other = details.record_of(views.active().ledger, details.step_of(text))
    except NotFoundError as error:
        raise UsageError(f"with: {error.message}", error.hint) from None
    return details.comparison(found.record, other)


PAGE = Page(
    name="checkpoints", title="Ledger", plain="Checkpoints", icon="checkpoints", order=40, path="/checkpoints",
    make=make,
)  # fmt: skip
