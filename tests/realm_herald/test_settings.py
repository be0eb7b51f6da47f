"""`configs/heralds.yaml`: strict, with the line of every mistake, and without secrets."""

from __future__ import annotations

import pytest

from helpers import Run
from realm_cli import eventwords
from realm_cli.errors import FormatError, RealmError
from realm_cli.realm import Realm
from realm_herald import settings
from realm_herald.settings import DEFAULT_EVENTS, HeraldsConfig


def test_the_file_of_a_new_realm_holds_the_defaults(realm: Realm) -> None:
    assert settings.load(realm) == HeraldsConfig()


def test_its_commented_example_is_valid(realm: Realm) -> None:
    path = settings.heralds_file(realm)
    head, _, example = path.read_text().partition("heralds: {}\n")
    path.write_text(head + "heralds:\n" + "\n".join(line[1:] for line in example.splitlines()) + "\n")
    (herald,) = settings.load(realm).heralds.values()
    assert [rule.events for rule in herald.rules][1] == ["*"]


def test_every_event_of_the_default_rule_has_words() -> None:
    assert set(DEFAULT_EVENTS) <= set(eventwords.names())


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("herald: {}\n", r"heralds.yaml:1: unknown key 'herald'", "did you mean 'heralds'?"),
        ("heralds:\n  a: {urll: x}\n", r"heralds.yaml:2: unknown key 'heralds.a.urll'", "did you mean 'url'?"),
        (
            "heralds:\n  a:\n    url: json://x\n    rules: [{events: [quest_don]}]\n",
            r"heralds.yaml:4: herald a: there is no event 'quest_don'",
            "did you mean 'quest_done'?",
        ),
        ("heralds:\n  a: {url: json://x, rules: [{events: []}]}\n", "a rule without events fits nothing", "* for all"),
        ("heralds:\n  a: {url: json://x, rules: [{events: ['*'], quiet: '22-7'}]}\n", "quiet", ""),
        ("heralds:\n  a: {url: json://x, rules: [{events: ['*'], grade: good}]}\n", "grade", ""),
        ("heralds:\n  a: {url: json://x, per_hour: 0}\n", "per_hour", ""),
        ("heralds:\n  log: {url: json://x}\n", "herald log: this cannot be its name", "lower-case"),
        ("heralds:\n  A b: {url: json://x}\n", "this cannot be its name", "lower-case"),
        ("heralds:\n  a: {}\n", "url and secret do not go together", "{secret}"),
        ("heralds:\n  a: {url: json://x, secret_env: X}\n", "url and secret do not go together", "{secret}"),
        ("heralds:\n  a: {secret_file: a, secret_env: X}\n", "are both given", "keep one"),
        ("heralds:\n  a: {url: 'discord://123/abc'}\n", "the url holds a secret", "{secret}"),
        ("heralds:\n  a: {url: 'json://me:pass@x'}\n", "the url holds a secret", "{secret}"),
        ("heralds:\n  a: {url: 'https://hooks.slack.com/services/a/b/c'}\n", "the url holds a secret", "{secret}"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_to_do(realm: Realm, text: str, message: str, hint: str) -> None:
    settings.heralds_file(realm).write_text(text)
    with pytest.raises(FormatError) as caught:
        settings.load(realm)
    assert message in caught.value.message
    assert hint in caught.value.hint


def with_secret(realm: Realm, how: str) -> settings.HeraldConfig:
    settings.heralds_file(realm).write_text(f"heralds:\n  a: {{url: 'discord://{{secret}}', {how}}}\n")
    return settings.get(realm, "a")


def test_a_secret_comes_from_a_file_that_only_its_owner_reads(realm: Realm) -> None:
    herald = with_secret(realm, "secret_file: status/a.secret")
    path = realm.status / "a.secret"
    with pytest.raises(RealmError, match="no secret in"):
        settings.target(realm, "a", herald)
    path.write_text("123/token\n")
    path.chmod(0o644)
    with pytest.raises(RealmError, match="others may read the secret") as refused:
        settings.target(realm, "a", herald)
    assert refused.value.exit_code == 3
    path.chmod(0o600)
    assert settings.target(realm, "a", herald).url == "discord://123/token"
    path.write_text("\n")
    with pytest.raises(RealmError, match="is empty"):
        settings.target(realm, "a", herald)


def test_a_secret_comes_from_the_environment(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    herald = with_secret(realm, "secret_env: MY_HOOK")
    with pytest.raises(RealmError, match="the variable MY_HOOK is not set"):
        settings.target(realm, "a", herald)
    monkeypatch.setenv("MY_HOOK", "123/token")
    assert settings.target(realm, "a", herald).url == "discord://123/token"


def test_an_unknown_herald_is_named_with_the_nearest(realm: Realm, run: Run) -> None:
    settings.heralds_file(realm).write_text("heralds:\n  phone: {url: json://127.0.0.1:1}\n")
    said = run("herald", "test", "fone")
    assert (said.code, said.err.splitlines()) == (
        4,
        ["error: there is no herald 'fone'", "hint: did you mean 'phone'?"],
    )


def test_realm_config_check_finds_a_mistake(realm: Realm, run: Run) -> None:
    settings.heralds_file(realm).write_text("heralds:\n  a: {urll: x}\n")
    checked = run("config", "check")
    assert (checked.code, checked.out.splitlines()[-1]) == (
        1, "bad  configs/heralds.yaml:2: unknown key 'heralds.a.urll'; did you mean 'url'?",
    )  # fmt: skip
