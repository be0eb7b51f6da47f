"""The doctor's look at the heralds: their configuration, and whether they are heard."""

from __future__ import annotations

from collections.abc import Callable

from realm_cli import store
from realm_cli.checks import Finding
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import now
from realm_herald import checks
from realm_herald.records import HeraldRecord, Message, record_path

OLD = "2026-01-01T00:00:00.000+00:00"


def look(realm: Realm) -> list[Finding]:
    return checks.look(realm, Manager.of(realm))


def waiting(realm: Realm, made_at: str, tries: int = 7) -> None:
    """The phone's message waits since then."""
    message = Message(id="1", text="x", event="level_up", worth="great", count=1, made_at=made_at)
    path = record_path(realm, "phone")
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_record(path, HeraldRecord(herald="phone", sending=message, tries=tries, reason="it is away"))


def test_a_mistake_in_the_configuration_is_an_error_with_its_line(realm: Realm) -> None:
    file = realm.configs / "heralds.yaml"
    file.write_text("log: plain\nheralds:\n  phone: {url: 'json://localhost', formt: ntfy}\n")
    (found,) = look(realm)
    assert found.grade == "error"
    assert f"{file}:3" in found.evidence
    assert "did you mean 'format'?" in found.evidence + found.remedy


def test_a_herald_that_is_not_heard_for_long_is_told_with_the_reason(
    realm: Realm, configure: Callable[..., None]
) -> None:
    configure(phone={"url": "json://localhost"})
    waiting(realm, OLD)
    (found,) = look(realm)
    assert (found.grade, found.evidence, found.remedy) == (
        "warning", "7 tries; it is away", "realm herald test phone",
    )  # fmt: skip
    assert found.message.startswith("herald phone is not heard: a message waits for ")


def test_a_herald_that_is_disabled_or_tries_since_a_moment_is_well(
    realm: Realm, configure: Callable[..., None]
) -> None:
    configure(phone={"url": "json://localhost"})
    assert look(realm) == []
    waiting(realm, now())
    assert look(realm) == []
    waiting(realm, OLD)
    configure(phone={"url": "json://localhost", "enabled": False})
    assert look(realm) == []
