"""A call: an operation with its operands, how it is written, and the texts about it that tags ask for."""

from __future__ import annotations

from dataclasses import dataclass

from realm_bin.digits import signed
from realm_bin.operations import NESTED, Operation
from realm_bin.work import Operands, sum_of_powers


@dataclass(frozen=True, slots=True)
class Call:
    """An operation with its operands, one of which may come from an inner call."""

    operation: Operation
    operands: Operands
    bits: int
    """The width n of signed values; also the widest that unsigned ones may be."""
    inner: Call | None = None
    place: int = 0
    """Which operand is the inner call's result."""

    @property
    def name(self) -> str:
        """What settings call it."""
        return self.operation.name if self.inner is None else NESTED

    def texts(self) -> list[str]:
        """The operands as they are written."""
        reads, bits = self.operation.reads, self.bits
        texts = [reads(operand, bits) for operand in self.operands]
        if self.inner is not None:
            texts[self.place] = self.inner.text()
        return texts

    def text(self) -> str:
        """The call as replies and keys write it: `add(①①, ①)`."""
        return f"{self.operation.name}({', '.join(self.texts())})"

    def asked(self, texts: list[str] | None = None) -> str:
        """The call as prompts write it, or with other texts for its operands; the width ends those of signed operations."""
        width = [str(self.bits)] if self.operation.signed else []
        return f"{self.operation.name}({', '.join((texts or self.texts()) + width)})"

    def operations(self) -> list[str]:
        """The operations that it names, each once."""
        names = [self.operation.name] if self.inner is None else [self.operation.name, self.inner.operation.name]
        return list(dict.fromkeys(names))

    def result(self) -> str:
        """The result as it is written."""
        return self.operation.writes(self.operation.result(*self.operands), self.bits)

    def literals(self) -> tuple[int, ...]:
        """The values that the call spells out, from left to right."""
        if self.inner is None:
            return self.operands
        return (*self.operands[: self.place], *self.inner.operands, *self.operands[self.place + 1 :])

    def verification(self) -> str:
        """The calculation in decimal, and how its result wraps where it does."""
        before = f"{self.inner.verification()}, " if self.inner else ""
        exact = self.operation.result(*self.operands)
        first = self.operands[0]
        facts = {"r": exact, "t": "true" if exact else "false", "p": sum_of_powers(first), "rest": first & 1}
        text = self.operation.check.format(*self.operands, **facts)
        return f"{before}{text}{self._wrapping(exact)}"

    def work(self) -> list[str]:
        """The key steps; of nested calls, both calls one after the other."""
        if self.inner is None:
            return self.operation.work(self.operands, self.bits)
        return [call.equation() for call in (self.inner, self._flat())]

    def trace(self) -> list[str]:
        """The operands, and the steps position by position."""
        literals = ", ".join(self.operation.reads(operand, self.bits) for operand in self.literals())
        return [f"Operands: {literals}", *self._positions()]

    def equation(self) -> str:
        """`add(①①, ①) = ①⓪⓪`."""
        return f"{self.text()} = {self.result()}"

    def _positions(self) -> list[str]:
        own = self.operation.trace(self.operands, self.bits)
        if self.inner is None:
            return own
        return [*self.inner._positions(), self.inner.equation(), *own]

    def _flat(self) -> Call:
        """The same with the inner call's result in its place."""
        return Call(self.operation, self.operands, self.bits)

    def _wrapping(self, exact: int) -> str:
        if not self.operation.signed or self.operation.narrow:
            return ""
        wrapped = signed(exact, self.bits)
        if wrapped == exact:
            return ""
        return f", {exact} {'-' if exact > 0 else '+'} {1 << self.bits} = {wrapped}"
