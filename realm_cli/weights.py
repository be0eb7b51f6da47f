"""Model weights in safetensors files, read without torch: tensors, sizes, and a hash that file layout cannot change.

Format: https://github.com/huggingface/safetensors (8 bytes header length, JSON header, then the tensors' bytes).
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

import msgspec

from realm_cli import store
from realm_cli.errors import FormatError

_HEADER_LIMIT = 100_000_000


@dataclass(frozen=True)
class Tensor:
    """One tensor and where its bytes lie."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int
    end: int

    @property
    def parameters(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)


class _Entry(msgspec.Struct):
    """What a file's header tells of one tensor."""

    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def tensors(folder: Path) -> list[Tensor]:
    """All tensors of the model in `folder`, in name order. Raises `FormatError` for a damaged file."""
    found = [tensor for file in sorted(folder.glob("model*.safetensors")) for tensor in _read_header(file)]
    return sorted(found, key=lambda tensor: tensor.name)


def _read_header(file: Path) -> list[Tensor]:
    size = file.stat().st_size
    with open(file, "rb") as stream:
        prefix = stream.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
        if not 2 <= length <= min(size - 8, _HEADER_LIMIT):
            raise FormatError(str(file), "not a safetensors file, or cut off")
        header = store.parse_json(stream.read(length), str(file))
    if isinstance(header, dict):
        header.pop("__metadata__", None)
    try:
        entries = msgspec.convert(header, dict[str, _Entry])
    except msgspec.ValidationError as error:
        raise FormatError(str(file), f"its header is not one of safetensors ({error})") from None
    offset = 8 + length
    found = []
    for name, facts in entries.items():
        start, end = facts.data_offsets
        if not 0 <= start <= end <= size - offset:
            raise FormatError(str(file), f"cut off: tensor {name} does not lie within the file")
        found.append(Tensor(name, facts.dtype, tuple(facts.shape), file, offset + start, offset + end))
    return found


def weights_sha256(folder: Path) -> str:
    """SHA-256 over `name NUL dtype NUL shape NUL bytes` of every tensor in name order; shape as `2,3`."""
    digest = hashlib.sha256()
    maps: dict[Path, mmap.mmap] = {}
    try:
        for tensor in tensors(folder):
            if tensor.file not in maps:
                with open(tensor.file, "rb") as stream:
                    maps[tensor.file] = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            head = f"{tensor.name}\0{tensor.dtype}\0{','.join(map(str, tensor.shape))}\0"
            digest.update(head.encode())
            with memoryview(maps[tensor.file]) as view, view[tensor.start : tensor.end] as content:
                digest.update(content)
    finally:
        for mapped in maps.values():
            mapped.close()
    return digest.hexdigest()
