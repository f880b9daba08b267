"""The programs of this folder in their short form; docs/reliability.md has what their long forms found."""

from __future__ import annotations

import os
import platform

import accuracy
import call_orders
import child_processes
import damaged_many
import growth
import many_threads
import pytest
import random_cells
import subinterpreters
import wrong_arguments

from cellstep import kernels

compiled = pytest.mark.skipif(bool(kernels.available()["cython"]), reason="needs the compiled backend")
linux = pytest.mark.skipif(platform.system() != "Linux", reason="reads /proc")


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


def test_random_cells_give_what_the_reference_gives(backend: kernels.Backend) -> None:
    if backend.name == "numpy":
        pytest.skip("is the reference")
    if backend.name == "numba":
        pytest.skip("compiles each combination for seconds; tests/kernels has them")
    _, wrong = random_cells.run(100, 5, (backend.name,))
    assert not wrong, "\n".join(wrong)


def test_calls_in_random_order() -> None:
    made = call_orders.run(4, 5)
    assert min(made.values()) > 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_children_give_the_bits_of_their_parent() -> None:
    assert child_processes.run(1, ("fork", "spawn")) == {"fork": 0, "spawn": 0}
    child_processes.stopped_workers(1)


@compiled
def test_damaged_files_of_many_models_are_refused_or_work() -> None:
    seen, wrong = damaged_many.run(60, 2)
    assert not wrong, "\n".join(wrong)
    assert seen["refused"] > 30


@compiled
@pytest.mark.skipif(subinterpreters.interpreters() is None, reason="this Python offers no interpreters")
@pytest.mark.filterwarnings("ignore")
def test_a_second_interpreter_is_refused_and_the_first_goes_on() -> None:
    assert all(subinterpreters.refusals(3))


@compiled
def test_hard_numbers_are_as_accurate_as_in_the_reference() -> None:
    ours, reference = (accuracy.errors(40, "float32", backend) for backend in ("cython", "numpy"))
    for case, error in ours.items():
        assert error <= 30 * max(4, reference[case]), (case, error, reference[case])


@compiled
@pytest.mark.skipif(platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc", reason="reads MXCSR")
def test_the_callers_floating_point_mode_is_left_as_it_was() -> None:
    assert accuracy.modes_that_changed() == 0


@compiled
@linux
def test_calls_leave_nothing_behind() -> None:
    for name, (count, grown, objects) in growth.growth(0.01).items():
        assert grown < 2**20, (name, count, grown)
        assert objects < count, (name, count, objects)


@compiled
@linux
def test_a_pass_of_training_takes_what_the_formula_says() -> None:
    for name, (measured, said) in growth.peaks().items():
        assert 0.9 * said < measured < 1.1 * said, (name, measured, said)
