"""One of several processes at huey's file storage: puts data in and takes it out on request. Runs in the peers' environment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from huey.storage import FileStorage  # type: ignore[import-not-found]

from benchmarks.workers.channel import Channel


def main(folder: Path, source: Path, first: int, count: int) -> None:
    channel = Channel()
    storage = FileStorage("benchmark", str(folder))
    data = [path.read_bytes() for path in sorted(source.iterdir())[first : first + count]]

    def add() -> dict[str, Any]:
        for content in data:
            storage.enqueue(content)
        return {}

    def claim() -> dict[str, Any]:
        taken = 0
        while storage.dequeue() is not None:
            taken += 1
        return {"taken": taken}

    channel.serve(add=add, claim=claim)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
