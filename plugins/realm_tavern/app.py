"""The Tavern's app: the core's web base, the frame around every page, and the pages that plugins offer."""

from __future__ import annotations

import logging

from flask import Flask

from realm_cli.errors import RealmError
from realm_cli.exposition import Metric
from realm_cli.manager import Manager
from realm_cli.pages import Page
from realm_cli.realm import Realm
from realm_cli.web import Door, service_of
from realm_cli.web import make_app as base_app
from realm_tavern import control_api, frame, live_api, numbers
from realm_tavern.watch import Watch

log = logging.getLogger("realm.tavern")


def make_app(realm: Realm, manager: Manager, door: Door | None = None) -> Flask:
    """The whole app, not yet served."""
    app = base_app("realm_tavern", "tavern", realm, door or Door(), static_url_path="/static")
    pages = load_pages(manager)
    watch = Watch(realm, manager, {page.name: page.watches for page in pages if page.watches})
    app.extensions["watch"] = watch
    service = service_of(app)
    service.metrics = lambda: _metrics(watch)
    service.page_of_error = frame.page_of_error
    frame.furnish(app, watch, pages, service.safety)
    app.register_blueprint(live_api.make(watch))
    app.register_blueprint(control_api.make(realm, watch))
    for page in pages:
        app.register_blueprint(page.make(realm, manager))
    return app


def load_pages(manager: Manager) -> list[Page]:
    """All installed pages in their order; one that cannot be loaded is named in the log and left out."""
    found = []
    for name in manager.parts("realm_pages"):
        try:
            found.append(manager.load_part("realm_pages", name, "page"))
        except RealmError as error:
            log.warning("page '%s' is left out: %s", name, error.message)
    return sorted(found, key=lambda page: (page.order, page.name))


def close(app: Flask) -> None:
    """End the open streams, so that the server can stop."""
    watch: Watch = app.extensions["watch"]
    watch.close()


def _metrics(watch: Watch) -> list[Metric]:
    look = watch.look()
    return numbers.of(look.snapshot, look.gauges, watch.seats)
