"""The base of all web services: who may ask, what a body may be, how errors read."""

from __future__ import annotations

import os
import stat
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from realm_cli.errors import FormatError, LockedError, NotFoundError, RefusedError, StorageError, UsageError
from realm_cli.realm import Realm
from realm_cli.web import BODY_LIMIT, Door, make_app
from realm_cli.websafety import Safety, is_loopback, read_token, token_path

FOREIGN = "http://evil.example"


def service(realm: Realm, **door: Any) -> Flask:
    app = make_app("realm_cli", "test", realm, Door(**door))
    errors = {
        "usage": UsageError("that is wrong", "do this"), "missing": NotFoundError("no such thing"),
        "refused": RefusedError("a rule says no"), "locked": LockedError("somebody has it"),
        "disk": StorageError("write", realm.root, OSError(28, "No space left on device")), "bug": ZeroDivisionError(),
    }  # fmt: skip

    @app.get("/api/error/<name>")
    def fail(name: str) -> str:
        raise errors[name]

    @app.route("/api/echo", methods=["GET", "POST"])
    def echo() -> dict[str, Any]:
        return {"got": len(request.get_data())}

    @app.get("/")
    def page() -> str:
        return "hello"

    return app


@pytest.fixture
def client(realm: Realm) -> FlaskClient:
    return service(realm).test_client()


def csrf(realm: Realm) -> str:
    return Safety(read_token(realm), "127.0.0.1").csrf


# -- the token -----------------------------------------------------------------------------------------------------


def test_the_token_is_made_once_for_its_owner_s_eyes_only(realm: Realm) -> None:
    first = read_token(realm)
    assert len(first) >= 32
    assert read_token(realm) == first
    assert stat.S_IMODE(token_path(realm).stat().st_mode) == 0o600
    assert [path.name for path in realm.status.glob(".web.token*")] == []


def test_a_token_that_others_can_read_or_that_is_none_is_refused(realm: Realm) -> None:
    read_token(realm)
    os.chmod(token_path(realm), 0o644)
    with pytest.raises(FormatError, match="other users may read"):
        read_token(realm)
    os.chmod(token_path(realm), 0o600)
    token_path(realm).write_text("short\n")
    with pytest.raises(FormatError, match="no token"):
        read_token(realm)


def test_on_the_loopback_interface_no_token_is_asked_for(client: FlaskClient) -> None:
    assert client.get("/api/echo").json == {"got": 0}


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "box.lan"])
def test_off_loopback_everything_but_health_and_login_needs_the_token(realm: Realm, host: str) -> None:
    client, token = service(realm, host=host).test_client(), read_token(realm)
    assert client.get("/health").json == {"status": "ok", "service": "test"}
    for path in ("/api/echo", "/metrics", "/api/nothing"):
        answer = client.get(path)
        assert (answer.status_code, "WWW-Authenticate" in answer.headers) == (401, True), path
    page = client.get("/", headers={"Accept": "text/html"})
    assert (page.status_code, page.location) == (302, "/login")
    for wrong in ("", "Bearer", "Bearer x", f"Basic {token}", f"Bearer {token}x", "Bearer \u00e9"):
        assert client.get("/api/echo", headers={"Authorization": wrong}).status_code == 401, wrong
    assert client.get("/api/echo", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert client.post("/api/echo", headers={"Authorization": f"Bearer {token}"}, data=b"x").status_code == 200
    assert client.get(f"/api/echo?token={token}").status_code == 401  # addresses end up in logs


def test_a_login_gives_a_cookie_that_is_not_the_token(realm: Realm) -> None:
    client, token = service(realm, host="0.0.0.0").test_client(), read_token(realm)
    wrong = client.post("/login", data={"token": "guess"})
    assert (wrong.status_code, "Set-Cookie" in wrong.headers) == (401, False)
    right = client.post("/login", data={"token": token})
    assert (right.status_code, right.location) == (303, "/")
    cookie = right.headers["Set-Cookie"]
    assert token not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert client.get("/api/echo").status_code == 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True)]
    + [(host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "", "1.2.3")],
)
def test_what_counts_as_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


# -- other sites ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8888", "localhost.evil.example", "127.0.0.1.evil.example"]
)
def test_a_foreign_name_is_not_answered(client: FlaskClient, host: str) -> None:
    for path in ("/", "/api/echo", "/health", "/static/x"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 403, path
        assert "does not answer to the name" in answer.text


@pytest.mark.parametrize("host", ["localhost:8888", "127.0.0.1", "[::1]:8888", "192.168.1.5:8888", "LOCALHOST"])
def test_addresses_and_own_names_are_answered(client: FlaskClient, host: str) -> None:
    assert client.get("/api/echo", headers={"Host": host}).status_code == 200


def test_a_name_of_the_config_is_answered(realm: Realm) -> None:
    client = service(realm, names=("hero.lan",)).test_client()
    assert client.get("/api/echo", headers={"Host": "Hero.lan:8888"}).status_code == 200


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("kind", [FORM, "text/plain", "application/json", "multipart/form-data; boundary=x", ""])
@pytest.mark.parametrize(
    "headers",
    [{"Origin": FOREIGN}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
    ids=str,
)
def test_another_site_cannot_write_even_with_a_good_form_token(
    realm: Realm, client: FlaskClient, kind: str, headers: dict[str, str]
) -> None:
    sent = {**headers, "X-Realm-CSRF": csrf(realm), "Content-Type": kind}
    answer = client.post("/api/echo", headers=sent, data=b"a=1")
    assert answer.status_code == 403
    assert "another site" in answer.text


def test_a_browser_needs_the_form_token_and_a_script_does_not(realm: Realm, client: FlaskClient) -> None:
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/api/echo", headers=own, json={}).status_code == 403
    assert client.post("/api/echo", headers={**own, "X-Realm-CSRF": "0" * 64}, json={}).status_code == 403
    assert client.post("/api/echo", headers={**own, "X-Realm-CSRF": csrf(realm)}, json={}).status_code == 200
    assert client.post("/api/echo", headers=own, data={"csrf": csrf(realm)}).status_code == 200
    assert client.post(f"/api/echo?csrf={csrf(realm)}", headers=own, data=b"raw").status_code == 200
    assert client.post("/api/echo", json={}).status_code == 200


def test_no_answer_invites_other_sites(client: FlaskClient) -> None:
    answer = client.options("/api/echo", headers={"Origin": FOREIGN, "Access-Control-Request-Method": "POST"})
    assert not [name for name in dict(answer.headers) if name.startswith("Access-Control")]
    headers = client.get("/").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert (headers["X-Content-Type-Options"], headers["X-Frame-Options"]) == ("nosniff", "DENY")
    assert headers["Cache-Control"] == "no-store"


# -- bodies and errors ---------------------------------------------------------------------------------------------


def test_a_body_beyond_the_limit_is_refused(client: FlaskClient) -> None:
    assert client.post("/api/echo", data=b"x" * BODY_LIMIT).json == {"got": BODY_LIMIT}
    answer = client.post("/api/echo", data=b"x" * (BODY_LIMIT + 1))
    assert answer.status_code == 413
    assert answer.json == {"error": "the body is too large", "hint": ""}


@pytest.mark.parametrize(
    ("name", "status"),
    [("usage", 400), ("missing", 404), ("refused", 409), ("locked", 409), ("disk", 507)],
)
def test_errors_say_what_and_what_to_do(client: FlaskClient, name: str, status: int) -> None:
    answer = client.get(f"/api/error/{name}")
    assert answer.status_code == status
    assert answer.json is not None
    assert set(answer.json) == {"error", "hint"}
    assert answer.json["error"]


def test_a_bug_shows_no_insides_and_is_in_the_log(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    answer = client.get("/api/error/bug")
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    assert "ZeroDivisionError" in caplog.text


def test_metrics_count_answers(client: FlaskClient) -> None:
    client.get("/api/echo")
    client.get("/api/error/missing")
    text = client.get("/metrics").text
    assert 'realm_test_answers_total{status="200"} 1' in text
    assert 'realm_test_answers_total{status="404"} 1' in text
