"""The programs of this folder in their short form; docs/reliability.md has what their long forms found."""

from __future__ import annotations

import many_threads
import wrong_arguments

from cellstep import kernels


def test_wrong_arguments_raise_and_never_crash(backend: kernels.Backend) -> None:
    outcomes, wrong = wrong_arguments.run(400, 7, (backend.name,))
    assert not wrong, "\n".join(wrong)
    assert outcomes["results"] > 50
    assert outcomes["ValueError"] > 100


def test_many_threads_get_the_bits_of_one(backend: kernels.Backend) -> None:
    with kernels.use(backend.name):
        made, wrong = many_threads.run(5)
    assert not wrong
    assert made == 5 * 32
