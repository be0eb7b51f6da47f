"""How torch's CPU threads wait for each other. To be settled before torch is loaded, so nothing heavy is imported here."""

from __future__ import annotations

import os

SPINS = "1000"
"""Turns of libgomp's waiting loop before a thread sleeps.

By default threads spin for milliseconds. Beside one other busy process the one that is waited for has no core, and a
step takes many times as long. Sleeping at once costs an idle machine half its speed, as every parallel region is
short. Measured on two cores with dio-mini, ms a step idle / beside a busy process: default 17.6 / 66 and more,
1000 spins 17.5 / 46, 300 spins 30 / 38, 100 spins 32 / 33, one thread 27 / 27.
"""


def settle() -> None:
    """Make waiting threads sleep soon, unless the user has settled it (libgomp's manual, environment variables)."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
