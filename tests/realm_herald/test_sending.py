"""What really goes out: the bodies of generic webhooks, Discord, Slack and ntfy, as their servers would receive them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from helpers import wait_for
from realm_cli.errors import UsageError
from realm_herald.records import Message
from realm_herald.sending import check, send
from realm_herald.settings import Format, Target
from realm_herald_receiver import Heard, Proxy, Receiver

# Plugins of apprise that nobody uses here import modules which Python will drop.
pytestmark = pytest.mark.filterwarnings("ignore:'\\w+' is deprecated and slated for removal:DeprecationWarning")

TEXT = "10:11 quest done: train_bin_level1_no2 & *5 %* @everyone\n10:12 the board is empty"
SAFE = TEXT.replace("@", "@\u200b")
MESSAGE = Message(
    id="abc123", text=TEXT, event="quest_done", worth="great", count=2, made_at="2026-05-01T00:00:00+00:00"
)


def sent(receiver: Receiver, url: str, form: Format = "auto") -> Heard:
    assert send(Target(url, form), MESSAGE, "my realm") == ""
    return receiver.heard[-1]


@pytest.mark.parametrize("form", ["auto", "json"])
def test_a_webhook_gets_everything_as_json_at_its_very_address(receiver: Receiver, form: Format) -> None:
    heard = sent(receiver, f"http://127.0.0.1:{receiver.port}/hook/a%20b?token=x%26y&empty=", form)
    assert urlsplit(heard.path).path == "/hook/a%20b"
    assert parse_qs(urlsplit(heard.path).query, keep_blank_values=True) == {"token": ["x&y"], "empty": [""]}
    assert heard.json == {
        "version": "1.0", "title": "Realm my realm", "message": TEXT, "attachments": [], "type": "success",
        "event": "quest_done", "id": "abc123", "count": "2", "time": "2026-05-01T00:00:00+00:00", "realm": "my realm",
    }  # fmt: skip
    assert heard.headers["Idempotency-Key"] == "abc123"


def test_json_is_the_same_by_its_own_name(receiver: Receiver) -> None:
    assert sent(receiver, f"json://127.0.0.1:{receiver.port}/hook").json["message"] == TEXT


@pytest.mark.parametrize(("form", "key"), [("discord", "content"), ("slack", "text")])
def test_a_host_of_one_s_own_gets_the_shape_of_discord_or_slack(receiver: Receiver, form: Format, key: str) -> None:
    heard = sent(receiver, f"http://127.0.0.1:{receiver.port}/hook", form)
    assert heard.json == {key: f"Realm my realm\n{SAFE}"}


@pytest.mark.parametrize(("scheme", "form"), [("ntfy", "auto"), ("http", "ntfy")])
def test_ntfy_gets_topic_title_and_message(receiver: Receiver, scheme: str, form: Format) -> None:
    heard = sent(receiver, f"{scheme}://127.0.0.1:{receiver.port}/my-topic", form)
    assert heard.json == {"topic": "my-topic", "title": "Realm my realm", "message": SAFE}


@pytest.fixture
def world(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """Every https request of this process ends in the proxy."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    proxy.heard.clear()
    return proxy


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("prefix", ["discord://", "https://discord.com/api/webhooks/"])
def test_discord_itself_gets_its_body(world: Proxy, prefix: str) -> None:
    assert send(Target(f"{prefix}123456789012345678/aTokenOfManyLetters?verify=no", "auto"), MESSAGE, "my realm") == ""
    ((host, heard),) = wait_for(lambda: world.heard, "the request")
    assert host == "discord.com:443"
    assert urlsplit(heard.path).path == "/api/webhooks/123456789012345678/aTokenOfManyLetters"
    assert set(heard.json) == {"content", "tts", "wait"}
    content = heard.json["content"].replace("\\", "")
    assert content == f"Realm my realm\r\n{SAFE}"


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_slack_itself_gets_its_body(world: Proxy) -> None:
    url = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?verify=no"
    assert send(Target(url, "auto"), MESSAGE, "my realm") == ""
    ((host, heard),) = wait_for(lambda: world.heard, "the request")
    assert (host, heard.path) == ("hooks.slack.com:443", "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ")
    (attachment,) = heard.json["attachments"]
    assert attachment["title"] == "Realm my realm"
    assert attachment["text"].replace("&amp;", "&") == SAFE


def test_a_certificate_that_nobody_vouches_for_is_refused(world: Proxy) -> None:
    reason = send(Target("discord://123456789012345678/aTokenOfManyLetters", "auto"), MESSAGE, "my realm")
    assert "aTokenOfManyLetters" not in reason
    assert reason
    assert world.heard == []


def test_why_it_did_not_arrive_is_said_without_the_secret(receiver: Receiver) -> None:
    receiver.statuses = [404]
    target = Target(f"json://127.0.0.1:{receiver.port}/hush", "auto", "hush")
    reason = send(target, MESSAGE, "my realm")
    assert "404" in reason
    assert "hush" not in check(target)


@pytest.mark.parametrize("url", ["nonsense", "ftp://a/b", "discord://", ""])
def test_an_address_that_nothing_can_be_sent_to_is_refused(url: str) -> None:
    assert send(Target(url, "auto"), MESSAGE, "my realm") == "the url is none that a message can be sent to"
    with pytest.raises(UsageError):
        check(Target(url, "auto"))
