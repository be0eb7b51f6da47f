"""How long a service that ended waits until it is started again."""

from __future__ import annotations

from realm_cli.service_config import Restart

FLAPPING = 3
"""So many ends in a row without health between them are told as flapping."""
_DOUBLINGS = 40
"""More would leave what a float holds for nothing: the longest delay is reached long before."""


def delay(restart: Restart, failures: int) -> float:
    """Seconds before the start that follows `failures` ends in a row: none after the first, then doubled up to the longest."""
    if failures <= 1:
        return 0.0
    return float(min(restart.max_delay_seconds, restart.delay_seconds * 2 ** min(failures - 2, _DOUBLINGS)))
