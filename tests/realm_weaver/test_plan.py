from __future__ import annotations

from typing import Any

import pytest

from realm_cli.errors import FormatError, NotFoundError, UsageError
from realm_cli.manager import Manager
from realm_cli.service_config import Restart
from realm_weaver import backoff
from realm_weaver.plan import Plan, chosen, needing, plan
from realm_weaver_services import Woven

SLEEP = {"command": ["sleep", "600"]}


def planned(woven: Woven) -> Plan:
    return plan(woven.realm, Manager.of(woven.realm))


def test_a_plugin_s_service_gets_what_the_file_says(woven: Woven) -> None:
    woven.configure("tavern", {"enabled": True, "port": 9999, "arguments": ["--host", "::1"], "needs": ["vault"]})
    found = planned(woven)["tavern"]
    assert found.line[-6:] == ("tavern", "-q", "--port", "9999", "--host", "::1")
    assert (found.needs, found.probe, found.enabled, found.live_period) == (("vault",), "http", True, 10.0)
    battle = planned(woven)["battle"]
    assert (battle.probe, battle.heartbeat, battle.enabled) == ("heartbeat", woven.realm.training_status, False)


def test_without_a_file_services_are_as_their_plugins_say(woven: Woven) -> None:
    (woven.realm.configs / "services.yaml").unlink()
    found = planned(woven)
    assert {"tavern", "vault"} <= set(chosen(found, ()))
    assert "battle" not in chosen(found, ())


def test_services_are_chosen_with_what_they_need_and_stopped_with_what_needs_them(woven: Woven) -> None:
    for name, needs in {"shop": ["store", "bank"], "store": ["bank"], "bank": [], "other": []}.items():
        woven.configure(name, {**SLEEP, "needs": needs})
    found = planned(woven)
    assert chosen(found, ["shop"]) == ["bank", "store", "shop"]
    assert needing(found, ["store"]) == ["store", "shop"]
    assert set(chosen(found, ())) == {"bank", "store", "shop", "other"}
    with pytest.raises(NotFoundError, match="there is no service 'shoop'"):
        chosen(found, ["shoop"])


def test_nothing_enabled_is_said(woven: Woven) -> None:
    woven.configure("one", {**SLEEP, "enabled": False})
    with pytest.raises(UsageError, match="no service is enabled"):
        chosen(planned(woven), ())


def test_a_circle_of_needs_is_an_error_that_names_it(woven: Woven) -> None:
    for name, need in (("a", "b"), ("b", "c"), ("c", "a")):
        woven.configure(name, {**SLEEP, "needs": [need]})
    with pytest.raises(FormatError, match=r"services.yaml:\d+: services need each other in a circle: a → b → c → a"):
        planned(woven)


@pytest.mark.parametrize(
    ("name", "config", "said"),
    [
        ("taverne", {"enabled": True}, "no plugin offers the service 'taverne', and it has no command"),
        ("tavern", SLEEP, "'tavern' is a plugin's service"),
        ("weaver", SLEEP, "'weaver' is the weaver itself"),
        ("a", {**SLEEP, "needs": ["b"]}, "'a' needs 'b', which is no service"),
        ("a", {**SLEEP, "port": 1}, "'a' has a command and a port"),
        ("a", {**SLEEP, "url": "http://x/", "heartbeat": "y"}, "'a' has both url and heartbeat"),
        ("a", {"url": "http://x/"}, "'a' has url, heartbeat or title, but no command"),
        ("A b", SLEEP, "'A b' cannot be a service's name"),
        ("a", {**SLEEP, "livenes": {}}, "unknown key 'services.a.livenes'"),
        ("a", {**SLEEP, "restart": {"policy": "sometimes"}}, "services.a.restart.policy: invalid enum value 'sometimes'"),
        ("a", {**SLEEP, "url": "ftp://x"}, "services.a.url: expected `str` matching regex"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(woven: Woven, name: str, config: dict[str, Any], said: str) -> None:
    woven.configure(name, config)
    with pytest.raises(FormatError) as caught:
        planned(woven)
    assert said in caught.value.message
    assert caught.value.where.startswith(f"{woven.realm.configs / 'services.yaml'}:")


def test_the_first_restart_comes_at_once_and_later_ones_ever_later() -> None:
    restart = Restart(delay_seconds=1, max_delay_seconds=10)
    assert [backoff.delay(restart, failures) for failures in range(1, 8)] == [0, 1, 2, 4, 8, 10, 10]
    assert backoff.delay(restart, 10_000) == 10
