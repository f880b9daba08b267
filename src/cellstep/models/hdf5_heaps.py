"""Heaps of names in an HDF5 file, looked at before HDF5 reads them.

HDF5 follows the list of a heap's free blocks without end, and takes memory for each, where damage has made it a circle.

Layout: the HDF5 file format specification, version 3.0, sections II (superblock) and III.D (local heap).
"""

from __future__ import annotations

from typing import BinaryIO

#: How a heap begins; the list's end; what is read at once.
HEAP, END, PIECE = b"HEAP\0\0\0\0", 1, 2**22


def check(file: BinaryIO) -> None:
    """ValueError where a list of free blocks goes round, or the file's addresses are not of 8 bytes."""
    size = file.seek(0, 2)
    file.seek(0)
    start = file.read(16)
    if len(start) < 16 or (start[13:15] if start[8] < 2 else start[9:11]) != b"\x08\x08":
        raise ValueError("one whose addresses are not of 8 bytes")
    left = size // 16  # free blocks of 16 bytes or more, none in another
    for place in _places(file, size):
        length, free, data = _numbers(file, place + len(HEAP), 3)
        while free != END and left >= 0:
            if free + 16 > length or data + free + 16 > size:
                break  # HDF5 says so
            free, _ = _numbers(file, data + free, 2)
            left -= 1
        if left < 0:
            raise ValueError(f"a heap at {place} whose free blocks come to no end")


def _places(file: BinaryIO, size: int) -> list[int]:
    """Where heaps begin."""
    found, behind, at = [], b"", 0
    while at < size:
        file.seek(at)
        piece = behind + file.read(PIECE)
        first, k = at - len(behind), piece.find(HEAP)
        while k >= 0:
            found.append(first + k)
            k = piece.find(HEAP, k + 1)
        at, behind = at + PIECE, piece[1 - len(HEAP) :]
    return [place for place in found if place + len(HEAP) + 24 <= size]


def _numbers(file: BinaryIO, place: int, count: int) -> list[int]:
    file.seek(place)
    data = file.read(8 * count)
    return [int.from_bytes(data[k : k + 8], "little") for k in range(0, 8 * count, 8)]
