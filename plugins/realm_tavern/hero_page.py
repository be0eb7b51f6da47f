"""The first page: the hero, its battle, the chart of its whole life."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, request
from markupsafe import Markup

from realm_cli.errors import NotFoundError
from realm_cli.manager import Manager
from realm_cli.pages import Page, fragment, render
from realm_cli.realm import Realm
from realm_tavern import achievements, charts, curves
from realm_tavern.frame import now_shown
from realm_tavern.portrait import portrait
from realm_tavern.watch import Watch


def make(realm: Realm, manager: Manager) -> Blueprint:
    """The routes."""
    routes = Blueprint("hero", __name__)
    series = curves.Curves(realm)
    series.warm()

    @routes.get("/")
    def page() -> str:
        part = fragment()
        if part and part not in PARTS:
            raise NotFoundError(f"the page has no part '{part[:40]}'", f"known: {', '.join(PARTS)}")
        return render(f"hero/{part}.html" if part else "hero/page.html", **_facts(realm, series))

    @routes.get("/api/curves")
    def curve() -> dict[str, Any]:
        """Loss and evals over the hero's life, in as many points as asked for."""
        return series.series(realm.config.hero, **curves.arguments(request.args))

    return routes


PARTS = ("hints", "queue", "portrait", "achievements")


def _facts(realm: Realm, series: curves.Curves) -> dict[str, Any]:
    watch: Watch = current_app.extensions["watch"]
    look = now_shown(watch)
    watch.award(look)
    hero = look.snapshot.hero
    known = series.series(hero.name, **curves.arguments({}))
    crowned = look.snapshot.champion is not None
    mastered = sum(len(skill.mastered) for skill in look.snapshot.skills.values())
    return {
        "portrait": Markup(portrait(hero.level, champion=crowned, skills=mastered)),  # our own art
        "hints": watch.hints(look),
        "queue": look.queue,
        "dropped": look.snapshot.board.inbox,
        "away": watch.away(look),
        "achievements": achievements.look(realm, hero.name, look.snapshot),
        "loss_chart": Markup(charts.loss_svg(known, log=True)),
        "evals_chart": Markup(charts.evals_svg(known)),
    }


PAGE = Page(name="hero", title="Hero", plain="Training", icon="hero", order=10, path="/", make=make)
