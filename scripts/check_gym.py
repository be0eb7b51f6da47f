"""Makes plugins/realm_gym/checked.json: what the self-check finds of every task of the installed reasoning-gym.

Run it after raising the version in constraints.txt: .venv/bin/python scripts/check_gym.py (half an hour).
"""

from __future__ import annotations

import sys

from realm_cli import store
from realm_gym.check import check
from realm_gym.child import CHILD
from realm_gym.facts import CHECK, SHIPPED
from realm_gym.records import GymRecord, TaskFacts
from realm_gym.tasks import library_version
from realm_gym.wire import Request


def main() -> None:
    """Check all tasks and say how each one stands."""
    tasks: dict[str, TaskFacts] = {}
    for task in CHILD.ask(Request(do="tasks")).tasks:
        tasks[task] = found = check(CHILD, task)
        sys.stderr.write(f"{task}: {found.trouble or f'{found.levels} levels'} {found.ends}\n")
    store.write_record(SHIPPED, GymRecord(library=library_version(), check=CHECK, tasks=tasks))


if __name__ == "__main__":
    main()
