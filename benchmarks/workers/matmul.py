"""The roofline: how fast this machine multiplies large matrices. A step is one product, and what it "trains" is its operations."""

from __future__ import annotations

import sys
import time

import torch

from benchmarks.workers.channel import Channel

SIZE = 1024
SECONDS = 1.0


def main(precision: str, threads: int) -> None:
    channel = Channel()
    torch.set_num_threads(threads)
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = (torch.randn(SIZE, SIZE).to(kind) for _ in range(2))
    while True:
        channel.request()
        begun, products = time.perf_counter(), 0
        while time.perf_counter() - begun < SECONDS:
            torch.mm(left, right)
            products += 1
        channel.answer(seconds=time.perf_counter() - begun, trained=2 * SIZE**3 * products, steps=products)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
