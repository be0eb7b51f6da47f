"""Keeps a scorer from running what a reply says: some of the library's evaluate it as Python.

What is evaluated from text may name numbers, symbols and functions of mathematics; any other name, attribute or
function in it is refused, and so are programs, connections and writing. Only the worker's process is guarded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

NAMES = {
    "Symbol", "Integer", "Float", "Rational", "Function", "factorial", "factorial2", "Pow", "Mul", "Add", "Abs",
    "abs", "sqrt", "cbrt", "root", "exp", "log", "ln", "sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos",
    "atan", "acot", "asec", "acsc", "atan2", "sinh", "cosh", "tanh", "coth", "sech", "csch", "asinh", "acosh",
    "atanh", "acoth", "erf", "sign", "floor", "ceiling", "Max", "Min", "Mod", "pi",
}  # fmt: skip
"""Names that evaluated text may have beside single letters."""
_PROGRAMS = ("os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "subprocess.Popen")
_NET = ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo")
_SYMPY = compile("from sympy import *", "<string>", "exec")
"""What sympy runs before it reads an expression."""
_armed = False


class ForbiddenError(Exception):
    """A scorer was about to do what no scorer has to."""


def install() -> None:
    """Watch this process from now on; there is no way back."""
    sys.addaudithook(_hook)


@contextmanager
def armed() -> Iterator[None]:
    """Refuse, as long as it lasts."""
    global _armed
    _armed = True
    try:
        yield
    finally:
        _armed = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _armed:
        return
    if event == "exec":
        _check_code(args[0])
    elif event in _PROGRAMS or event in _NET or (event == "open" and _writes(args)):
        raise ForbiddenError(f"a scorer was kept from {event}")


def _check_code(code: CodeType) -> None:
    """Code of a file is the library's own; code of a text may be a reply's."""
    if not code.co_filename.startswith("<") or code.co_filename.startswith("<frozen") or code == _SYMPY:
        return
    foreign = [name for name in code.co_names if len(name) > 1 and name not in NAMES]
    if foreign or any(isinstance(constant, CodeType) for constant in code.co_consts):
        raise ForbiddenError("the reply holds code that is not evaluated")


def _writes(args: tuple[Any, ...]) -> bool:
    mode, flags = args[1], args[2]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
