"""Thrift's compact protocol, in which Parquet writes its footer and the headers of its pages, as plain values."""

from __future__ import annotations

from typing import Any

_MOST_DEPTH = 32


class Compact:
    """Reads values from bytes. at: how far it has read. Anything that makes no sense is a ValueError."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at, self._depth = data, 0, 0

    def struct(self) -> dict[int, Any]:
        """The fields of a struct by their numbers."""
        found: dict[int, Any] = {}
        number = 0
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise ValueError("structs are nested too deep")
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 15
            found[number] = kind == 1 if kind in (1, 2) else self._value(kind)
        self._depth -= 1
        return found

    def _value(self, kind: int) -> Any:
        if kind in (1, 2, 3):  # in a list, a truth value is a byte
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._number())
        if kind in (9, 10):
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._number()
            if count > len(self._data) - self.at:
                raise ValueError("a list is longer than the data")
            return [self.struct() if head & 15 == 12 else self._value(head & 15) for _ in range(count)]
        if kind == 12:
            return self.struct()
        raise ValueError(f"there is no type {kind}")

    def _bytes(self, size: int) -> bytes:
        self.at += size
        if self.at > len(self._data):
            raise ValueError("it ends early")
        return self._data[self.at - size : self.at]

    def _byte(self) -> int:
        if self.at >= len(self._data):
            raise ValueError("it ends early")
        self.at += 1
        return self._data[self.at - 1]

    def _number(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            one = self._byte()
            value |= (one & 127) << shift
            if one < 128:
                return value
        raise ValueError("a number is too long")

    def _signed(self) -> int:
        value = self._number()
        return (value >> 1) ^ -(value & 1)
