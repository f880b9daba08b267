"""Texts in attributes of an HDF5 file, read from its bytes.

HDF5 itself takes as much memory for a text as the file says that it is long, up to 4 GiB before it looks, and may never
come to an end in a heap that is damaged. Here every size is held against the bytes that there are.

Layout: the HDF5 file format specification, version 3.0, sections IV.A (object headers), IV.A.2.m (attributes), III.E
(global heap).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

#: Messages of an object header; classes of datatypes; pieces that a header may have.
ATTRIBUTE, CONTINUATION = 12, 16
TEXT, VARIABLE = 3, 9
PIECES = 256


class Texts:
    """The texts of a file that is open for reading. What is damaged is a ValueError.

    Args:
        max_bytes: the most that headers and texts may take together.
    """

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file, self._left = file, max_bytes
        self._size = file.seek(0, 2)
        self._heaps: dict[int, dict[int, bytes]] = {}
        start = self._at(0, 16)
        sizes = start[13:15] if start[8] < 2 else start[9:11]
        if sizes != b"\x08\x08":
            raise ValueError(f"expected addresses and lengths of 8 bytes, got {tuple(sizes)}")

    def _at(self, place: int, size: int) -> bytes:
        if not 0 <= size <= self._size - place or place < 0:
            raise ValueError(f"expected {size} bytes at {place}, got a file of {self._size}")
        self._left -= size
        if self._left < 0:
            raise ValueError("expected fewer texts, got more than a larger max_bytes would take")
        self._file.seek(place)
        return self._file.read(size)

    def attribute(self, header: int, name: str) -> list[str]:
        """The texts of an attribute of the object whose header is there."""
        for message in self._messages(header):
            version, flags, n, datatype, dataspace = struct.unpack_from("<BBHHH", message)
            at, pad = (9, 1) if version == 3 else (8, 8 if version == 1 else 1)
            if message[at : at + n].rstrip(b"\0") != name.encode():
                continue
            if flags & 1 and version > 1:
                raise ValueError(f"expected attribute {name} with a datatype of its own, got one of another object's")
            kind = at + -(-n // pad) * pad
            space = kind + -(-datatype // pad) * pad
            data = space + -(-dataspace // pad) * pad
            return self._values(message[kind:space], message[space:data], message[data:], name)
        raise ValueError(f"expected attribute {name} in the object's header, got it elsewhere")

    def _messages(self, header: int) -> Iterator[bytes]:
        """The attributes in a header, and in the pieces that continue it."""
        start = self._at(header, 16)
        newer = start[:4] == b"OHDR"
        if newer:
            flags = start[5]
            at = 6 + 16 * bool(flags & 32) + 4 * bool(flags & 16)
            width = 1 << (flags & 3)
            size = int.from_bytes(self._at(header + at, width), "little")
            pieces, skip = [(header + at + width, size)], 4 + 2 * bool(flags & 4)
        elif start[0] == 1:
            pieces, skip = [(header + 16, int.from_bytes(start[8:12], "little"))], 8
        else:
            raise ValueError(f"expected the header of an object at {header}, got something else")
        for number, (place, size) in enumerate(pieces):
            if number == PIECES:
                raise ValueError(f"expected a header of at most {PIECES} pieces, got more")
            piece, at = self._at(place, size), 0
            while at + skip <= len(piece):
                if newer:
                    kind, length = piece[at], int.from_bytes(piece[at + 1 : at + 3], "little")
                else:
                    kind, length = struct.unpack_from("<HH", piece, at)
                body = piece[at + skip : at + skip + length]
                at += skip + length
                if kind == CONTINUATION and len(body) >= 16:
                    place_, size_ = struct.unpack_from("<QQ", body)
                    # newer pieces have a signature before, and a checksum behind
                    pieces.append((place_ + 4, size_ - 8) if newer else (place_, size_))
                elif kind == ATTRIBUTE and len(body) > 8:
                    yield body

    def _values(self, kind: bytes, space: bytes, data: bytes, name: str) -> list[str]:
        rank, first = space[1], 8 if space[0] == 1 else 4
        sizes = struct.unpack_from(f"<{rank}Q", space, first)
        n = math.prod(sizes)
        length = int.from_bytes(kind[4:8], "little")
        if n * length > len(data):
            raise ValueError(f"expected {n} texts in attribute {name}, got {len(data)} bytes")
        parts = [data[i * length : (i + 1) * length] for i in range(n)]
        if kind[0] & 15 == TEXT:
            return [part.partition(b"\0")[0].decode() for part in parts]
        if n and (kind[0] & 15 != VARIABLE or kind[1] & 15 != 1 or length != 16):
            raise ValueError(f"expected texts in attribute {name}, got something else")
        return [self._heaped(*struct.unpack("<IQI", part)).decode() for part in parts]

    def _heaped(self, length: int, heap: int, index: int) -> bytes:
        if not length:
            return b""
        if heap not in self._heaps:
            self._heaps[heap] = self._objects(heap)
        found = self._heaps[heap].get(index, b"")
        if length > len(found):
            raise ValueError(f"expected a text of {length} bytes in the heap at {heap}, got {len(found)}")
        return found[:length].partition(b"\0")[0]

    def _objects(self, heap: int) -> dict[int, bytes]:
        """What is in a heap, by number."""
        start = self._at(heap, 16)
        if start[:5] != b"GCOL\1":
            raise ValueError(f"expected a heap at {heap}, got something else")
        whole, at, found = self._at(heap, int.from_bytes(start[8:], "little")), 16, {}
        while at + 16 <= len(whole):
            index, _, size = struct.unpack_from("<HHxxxxQ", whole, at)
            if not index:
                break
            if size > len(whole) - at - 16:
                raise ValueError(f"expected {size} bytes in the heap at {heap}, got {len(whole) - at - 16}")
            found[index] = whole[at + 16 : at + 16 + size]
            at += 16 + -(-size // 8) * 8
        return found


def header_of(h5py: Any, group: Any) -> int:
    """Where in the file the header of a group of h5py's is."""
    return int(h5py.h5o.get_info(group.id).addr)
