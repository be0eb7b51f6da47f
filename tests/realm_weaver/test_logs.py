"""Logs of services and of the weaver: bounded, also under a flood."""

from __future__ import annotations

from helpers import wait_for
from realm_cli import services
from realm_weaver import logs
from realm_weaver_services import Woven


def test_a_flooding_service_has_a_bounded_log(woven: Woven) -> None:
    woven.serve("flood", "flood", url=False, log_mb=0.5, log_keep=2)
    woven.up("flood")
    log = services.log_path(woven.realm, "flood")
    wait_for(lambda: log.with_name("flood.log.2").exists(), "two full logs")
    woven.down()
    files = sorted(path.name for path in log.parent.glob("flood.log*"))
    assert files == ["flood.log", "flood.log.1", "flood.log.2"]
    assert all(log.with_name(name).stat().st_size <= 500_000 for name in files[1:])


def test_a_log_that_grows_fast_is_looked_at_before_it_can_grow_far_over_its_limit() -> None:
    limit, rate = 5_000_000, 100_000_000
    size, pause, most = 0, logs.LOOK_SECONDS, 0
    for _ in range(1000):
        growth = int(rate * pause)
        size += growth
        most = max(most, size)
        size = 0 if size > limit else size
        pause = logs.next_look(limit, growth, pause)
    assert most <= rate * logs.LOOK_SECONDS
    assert pause <= limit / rate
    assert logs.next_look(limit, 0, pause) == logs.LOOK_SECONDS


def test_the_weaver_s_own_log_is_bounded(woven: Woven) -> None:
    woven.serve("web")
    woven.up("web")
    own = services.log_path(woven.realm, logs.OWN)
    with open(own, "ab") as file:
        file.write(b"one more line\n" * 400_000)
    earlier = logs.earlier(own, 1)
    wait_for(earlier.exists, "the weaver's log to be set aside")
    wait_for(lambda: own.stat().st_size < 1_000_000, "the weaver's log to be cut")
    assert earlier.stat().st_size <= 5_000_000
