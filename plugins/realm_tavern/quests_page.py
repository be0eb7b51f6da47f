"""The quests page: the board, and everything about one quest."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, request

from realm_cli.errors import NotFoundError
from realm_cli.listquery import PAGE_SIZE, number, one_of
from realm_cli.manager import Manager
from realm_cli.pages import Page, fragment, render
from realm_cli.quests import STATES
from realm_cli.realm import PRIORITIES, Realm
from realm_tavern import quests_api
from realm_tavern.quests_board import WORDS, Listings, detail, visible

FIRST = 50
"""Quests of each state on the board."""
ORDER = (*PRIORITIES, "processing", "recently_completed", "failed")
FORGE = "guild.forge"
"""The view that forges quests, where the guild is installed."""


def make(realm: Realm, manager: Manager) -> Blueprint:
    """The routes."""
    routes = Blueprint("quests", __name__)
    listings = Listings(realm)
    quests_api.add_routes(routes, realm, manager, listings)

    @routes.get("/quests")
    def board() -> str:
        part = _part("board")
        state = request.args.get("state", "")
        shown = _page(listings, one_of("state", state, STATES)) if state else _board(listings)
        facts = {"words": WORDS, "priorities": PRIORITIES, "can_forge": FORGE in current_app.view_functions, **shown}
        return render("quests/board.html" if part else "quests/page.html", **facts)

    @routes.get("/quests/<quest_id>")
    def quest(quest_id: str) -> str:
        part = _part("facts")
        found = detail(listings, quest_id)
        return render(
            "quests/facts.html" if part else "quests/quest.html", quest=found.row, record=found.record,
            report=found.report, preview=found.preview, checkpoints=found.checkpoints, visible=visible,
            priorities=PRIORITIES,
        )  # fmt: skip

    return routes


def _part(known: str) -> str:
    """The part of the page that is asked for; empty for the whole."""
    part = fragment()
    if part not in ("", known):
        raise NotFoundError(f"the page has no part '{part[:40]}'", f"known: {known}")
    return part


def _board(listings: Listings) -> dict[str, Any]:
    """The first quests of every state."""
    columns = [
        {"state": state, "count": len(listings.column(state).names), "quests": listings.rows(state, 0, FIRST)}
        for state in ORDER
    ]
    return {"columns": columns, "state": "", "page": 1, "last": 1, "first": 1}


def _page(listings: Listings, state: str) -> dict[str, Any]:
    """A hundred quests of one state."""
    count = len(listings.column(state).names)
    last = max(1, -(-count // PAGE_SIZE))
    page = min(number("page", 1, 1, 10**8), last)  # a queue that shrinks keeps an open page open
    first = (page - 1) * PAGE_SIZE
    columns = [{"state": state, "count": count, "quests": listings.rows(state, first, PAGE_SIZE)}]
    return {"columns": columns, "state": state, "page": page, "last": last, "first": first + 1}


PAGE = Page(name="quests", title="Quests", plain="Training data", icon="quests", order=20, path="/quests", make=make)
