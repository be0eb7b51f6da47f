"""The services of `realm play`: held by a weaver as long as the play runs."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from helpers import environment, wait_for
from realm_cli import services
from realm_cli.realm import Realm
from realm_weaver_services import Woven

PROGRAM = """
import sys
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.services import Beside
realm = Realm(sys.argv[1])
with Beside(realm, Manager.of(realm)) as beside:
    print(*beside.addresses(100), sep="\\n", flush=True)
    sys.stdin.readline()
"""


class Played:
    """A process that has services beside it; `line` is what it says of the Tavern."""

    def __init__(self, realm: Realm) -> None:
        line = [sys.executable, "-c", PROGRAM, str(realm.root)]
        self.process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()

    def end(self) -> None:
        self.process.communicate("\n")


@contextlib.contextmanager
def played(woven: Woven) -> Iterator[Played]:
    made = Played(woven.realm)
    try:
        yield made
    finally:
        if made.process.returncode is None:
            made.process.kill()
            made.process.communicate()


def test_services_of_a_play_end_with_it(woven: Woven) -> None:
    woven.configure("tavern", {"port": 0})
    with played(woven) as play:
        found = services.running(woven.realm, "tavern")
        assert found is not None
        assert play.line == f"the Tavern is open: {found.url}\n"
        play.end()
    assert services.running(woven.realm, "tavern") is None
    assert services.weaver(woven.realm) is None
    assert woven.state("tavern").history[-1].cause == "commanded"


def test_services_of_a_killed_play_end_as_well(woven: Woven) -> None:
    woven.configure("tavern", {"port": 0})
    with played(woven) as play:
        assert services.running(woven.realm, "tavern") is not None
        play.process.kill()
        wait_for(lambda: services.weaver(woven.realm) is None, "the end of the weaver")
    assert services.running(woven.realm, "tavern") is None


def test_services_of_a_weaver_are_used_as_they_are(woven: Woven) -> None:
    woven.configure("tavern", {"port": 0})
    woven.up("tavern")
    with played(woven) as play:
        assert play.line == f"the Tavern is open: {woven.state('tavern').url}\n"
        play.end()
    assert woven.state("tavern").state == "ready"
    woven.down("tavern")
    woven.serve("web")
    woven.up("web")
    with played(woven) as play:
        assert play.line.startswith("the Tavern does not open: the weaver that runs does not keep it")
        play.end()


def test_what_somebody_wants_meanwhile_goes_on_after_the_play(woven: Woven) -> None:
    woven.configure("tavern", {"port": 0})
    with played(woven) as play:
        pid = woven.pid("tavern")
        woven.up("tavern")
        play.end()
    assert woven.pid("tavern") == pid
    assert woven.down().out == "tavern is stopped\n"


def test_a_service_that_the_settings_disable_is_not_opened(woven: Woven) -> None:
    woven.configure("tavern", {"enabled": False})
    with played(woven) as play:
        assert play.line == "\n"
