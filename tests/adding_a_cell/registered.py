"""With `pytest -p adding_a_cell.registered` the tables of all tests have the cell."""

from __future__ import annotations

from . import add

add()
