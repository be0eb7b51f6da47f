"""A peer's history: the losses of a realm's metrics as TensorBoard's event file. Runs in the peers' environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter


def main(metrics: Path, folder: Path) -> None:
    writer = EventFileWriter(str(folder), max_queue_size=10_000, flush_secs=60)
    with open(metrics, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            value = Summary.Value(tag="loss", simple_value=row["loss"])
            writer.add_event(Event(wall_time=row["t"], step=row["step"], summary=Summary(value=[value])))
    writer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
