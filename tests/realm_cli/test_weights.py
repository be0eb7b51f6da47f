from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from realm_cli.errors import FormatError
from realm_cli.weights import tensors, weights_sha256

Array = np.ndarray[Any, Any]
TENSORS: dict[str, Array] = {
    "b.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a.weight": np.arange(4, dtype=np.float16),
    "c.bias": np.zeros((0,), dtype=np.float32),
}


def written(folder: Path, **files: dict[str, Array]) -> str:
    folder.mkdir()
    for name, content in files.items():
        save_file(content, folder / f"{name.replace('_', '-')}.safetensors", metadata={"format": "pt"})
    return weights_sha256(folder)


def test_the_hash_does_not_depend_on_how_the_tensors_are_spread_over_files(tmp_path: Path) -> None:
    one = written(tmp_path / "one", model=TENSORS)
    a, b, c = ({name: TENSORS[name]} for name in sorted(TENSORS))
    assert written(tmp_path / "two", model_00001_of_00002={**a, **c}, model_00002_of_00002=b) == one
    assert [tensor.name for tensor in tensors(tmp_path / "two")] == sorted(TENSORS)
    assert [tensor.parameters for tensor in tensors(tmp_path / "one")] == [4, 6, 0]


@pytest.mark.parametrize(
    "change",
    [
        {"b.weight": TENSORS["b.weight"].reshape(3, 2)},
        {"b.weight": TENSORS["b.weight"].view(np.int32)},
        {"b.weight": TENSORS["b.weight"] + 1},
        {"d.weight": TENSORS["a.weight"]},
    ],
    ids=["shape", "dtype", "bytes", "name"],
)
def test_the_hash_knows_name_dtype_shape_and_bytes(tmp_path: Path, change: dict[str, Array]) -> None:
    assert written(tmp_path / "one", model=TENSORS) != written(tmp_path / "two", model={**TENSORS, **change})


def test_a_renamed_tensor_is_another_model(tmp_path: Path) -> None:
    one, two = {"a": TENSORS["a.weight"]}, {"b": TENSORS["a.weight"]}
    assert written(tmp_path / "one", model=one) != written(tmp_path / "two", model=two)


def with_header(header: object, body: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1234567",
        struct.pack("<Q", 1 << 60),
        struct.pack("<Q", 2) + b"{x",
        with_header([]),
        with_header({"a": 3}),
        with_header({"a": {"dtype": "F32", "shape": [1]}}),
        with_header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"123"),
        with_header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}, b"1234"),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(FormatError, match="model.safetensors: "):
        weights_sha256(tmp_path)
