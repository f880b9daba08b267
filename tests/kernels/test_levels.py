"""The same numbers on any number of threads, after a fork, and at every instruction-set level."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from drive import Array, assert_all_same, backward, forward, pack, step
from table import DTYPES, OF_INPUT, THREADED, VARIANTS, Shape, Variant, problem
from test_chain import chain, dense, inputs

from cellstep import kernels, set_num_threads
from cellstep.config import get_num_threads

HERE = Path(__file__).parent


def isas() -> tuple[str, ...]:
    """The levels that run here, best first; none without compiled kernels."""
    if kernels.available()["cython"]:
        return ()
    from cellstep.kernels.cython import compiled

    return tuple(compiled.available_isas())


def everything(backend: kernels.Backend, v: Variant, dtype: str, shape: Shape) -> list[Array]:
    """All that forward, backward and step give for a problem with holes in its mask, and with dropped states."""
    p = problem(v, shape, dtype, "holes")
    found = list(step(backend, p, 0, p.states, pack(backend, p, backward=False)))
    for asked in (p, problem(v, shape, dtype, "lengths", drop=True)):
        answers = forward(backend, asked)
        found += [answers.y, *answers.states, *backward(backend, asked, answers).values()]
    return found


def test_the_number_of_threads_leaves_no_trace(backend: kernels.Backend) -> None:
    with kernels.use(backend.name):
        most = get_num_threads()
        if most == 1:
            pytest.skip(f"{backend.name} has one thread here")
        try:
            for v, dtype, shape in itertools.product((*VARIANTS, *OF_INPUT[1:4]), DTYPES, THREADED):
                set_num_threads(1)
                alone = everything(backend, v, dtype, shape)
                for n in range(2, min(most, 4) + 1):
                    set_num_threads(n)
                    what = f"{n} threads, {v} {dtype} {shape}"
                    assert_all_same(backend, everything(backend, v, dtype, shape), alone, what)
        finally:
            set_num_threads(most)


def digest(backend: kernels.Backend) -> str:
    """A hash of the bits of many answers."""
    found = hashlib.sha256()
    for v in (*VARIANTS, *OF_INPUT):
        for dtype in DTYPES:
            for shape in (*THREADED, Shape(6, 5, 7, 33)):
                for a in everything(backend, v, dtype, shape):
                    found.update(a.tobytes())
    for dtype in DTYPES:
        stages = [dense(30, 75, dtype, "tanh"), dense(75, 203, dtype, "softmax")]
        found.update(chain(backend, stages, 3, 30, dtype).steps(inputs(3, 9, 30, dtype)).tobytes())
        x, dz, dW = inputs(40, 41, 30, dtype), inputs(40, 41, 75, dtype), np.ones((30, 75), dtype)
        backend.products.product_gradients(x, dz, dW, None)
        out = np.empty((40, 41, 41), dtype)
        backend.products.product_batched(x, x.swapaxes(1, 2), out)
        found.update(dW.tobytes() + out.tobytes())
    return found.hexdigest()


SCRIPT = f"""
import sys; sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]
from cellstep import kernels
from test_levels import digest
backend = kernels.load({{name!r}})
"""


def run(name: str, code: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(name=name) + code],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_gives_the_same(backend: kernels.Backend) -> None:
    """Also when threads had run in the parent, whose team does not exist in the child."""
    code = """
import os
before = digest(backend)
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    os.write(writer, digest(backend).encode())
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert os.read(reader, 100).decode() == before == digest(backend)
print("same")
"""
    assert run(backend.name, code) == "same"


def test_levels_with_fused_multiply_add_agree_to_the_bit() -> None:
    fused = [isa for isa in isas() if isa != "x86-64-v2"]
    if len(fused) < 2:
        pytest.skip(f"this CPU runs {len(fused)} such levels")
    answers = {isa: run("cython", "print(digest(backend))", CELLSTEP_ISA=isa) for isa in fused}
    assert len(set(answers.values())) == 1, answers


@pytest.mark.parametrize("isa", isas()[1:])
def test_every_other_level_passes_the_same_tests(isa: str) -> None:
    """The best level ran in this process already; each other one runs the same files in a process of its own."""
    files = (
        "test_norms.py",
        "test_products.py",
        "test_accuracy.py",
        "test_activations.py",
        "test_chain.py",
        "test_gradients.py",
        "test_invariants.py",
        "test_memory.py",
        "test_reference_golden.py",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "cython"]
        + [str(HERE / name) for name in files],
        cwd=HERE.parent.parent,
        env=os.environ | {"CELLSTEP_ISA": isa, "CELLSTEP_EXPECT_BACKENDS": "cython"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


def test_the_level_that_is_asked_for_runs() -> None:
    if not isas():
        pytest.skip("no compiled kernels: there are no levels")
    for isa in isas():
        code = "from cellstep.kernels.cython import compiled; print(compiled.isa())"
        assert run("cython", code, CELLSTEP_ISA=isa) == isa
