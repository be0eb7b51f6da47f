"""Where the supervisor begins, in this folder and as `__main__` of its zip file. The name shows whose process it is."""

import os
import sys

TOO_OLD = 7


def entry() -> int:
    """Find the package beside this file and run its program."""
    if sys.version_info < (3, 8):  # noqa: UP036
        return TOO_OLD
    if not os.path.isfile(os.path.dirname(os.path.abspath(__file__))):  # in a zip file it is found already
        sys.path.append(os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")))
    from realm_runners.supervisor.program import main

    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(entry())
