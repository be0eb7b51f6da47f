"""Our contender: a battle of a realm, begun as `realm battle start` begins it."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.workers.channel import Channel
from realm_arena import spinning
from realm_arena.commands.start import log_to_file
from realm_cli.realm import Realm


def main(root: Path) -> None:
    realm, channel = Realm(root), Channel()
    log_to_file(realm, quiet=True)
    spinning.settle()
    from benchmarks.workers.paced import PacedBattle  # torch reads the setting when it is loaded

    PacedBattle(realm, channel).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
