"""The table of C functions: the bits of `functional`, from C, Cython and Numba; what does not fit is said."""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import cellstep
from cellstep import capi, functional, kernels

pytestmark = pytest.mark.skipif(kernels.active().name != "cython", reason="the C functions are compiled")

EXAMPLES = Path(__file__).parents[2] / "examples/compiled_code"
OPTIONS = {
    "rnn": ({}, ""),
    "lstm": ({"activation": "relu"}, "activation=relu"),
    "gru": ({"reset_after": False}, "reset_after=false"),
}


def loaded(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def built(source: Path, folder: Path) -> ModuleType:
    """The module that a C file makes."""
    if not shutil.which("gcc") or not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        pytest.skip("needs gcc and the headers of Python")
    library = folder / f"{source.stem}.so"
    folders = [f"-I{sysconfig.get_path('include')}", f"-I{cellstep.get_include()}"]
    warnings = ["-Wall", "-Wextra", "-Wno-unused-function", "-Werror"] if source.parent == EXAMPLES else []
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", *warnings, *folders, source, "-o", library], check=True)
    return loaded(source.stem, library)


def drawn(cell: str, dtype: Any, B: int, T: int, I: int, H: int) -> tuple[np.ndarray, list[np.ndarray]]:  # noqa: E741
    rng, G = np.random.default_rng(B + T + I + H), kernels.CELLS[cell].G
    x = rng.standard_normal((B, T, I)).astype(dtype)
    return x, [(0.3 * rng.standard_normal(shape)).astype(dtype) for shape in ((I, G * H), (H, G * H), (G * H,))]


kept: list[Any] = []


def text(value: str) -> int:
    """The address of a text that lives as long as the process."""
    kept.append(ctypes.create_string_buffer(value.encode()))
    return ctypes.addressof(kept[-1])


def at(rows: np.ndarray, i: int = 0) -> int:
    return int(rows[i:].ctypes.data) if i < len(rows) else 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cell", OPTIONS)
@pytest.mark.parametrize("shape", [(3, 6, 4, 9), (1, 4, 3, 1030), (0, 3, 2, 5), (2, 0, 2, 5), (30, 4, 5, 700)], ids=str)
def test_the_bits_are_those_of_functional(cell: str, dtype: Any, shape: tuple[int, ...]) -> None:
    f, (options, written) = capi.functions(), OPTIONS[cell]
    (B, T, _, H), (x, weights) = shape, drawn(cell, dtype, *shape)
    S = len(kernels.CELLS[cell].states)
    mask = np.random.default_rng(1).random((B, T)) < 0.7
    packed = functional.pack(cell, *weights, **options)
    y, states, tape = functional.forward(packed, x, mask=mask, tape=True)
    dy = np.random.default_rng(2).standard_normal(y.shape).astype(dtype)
    wanted = functional.backward(tape, dy)

    given = capi.arrays(*weights)
    handle = f.pack(text(cell), text(written), at(given), 3, 1)
    assert handle, f.error()
    y_, last, held = np.empty_like(y), [np.empty_like(s) for s in states], ctypes.c_void_p()
    rows = capi.arrays(x, mask, y_, *last)
    assert f.forward(handle, at(rows), at(rows, 1), 0, at(rows, 2), at(rows, 3), S, ctypes.addressof(held)) == 0
    dx, first, sums = np.empty_like(x), [np.empty_like(s) for s in states], [np.zeros_like(w) for w in weights]
    back = capi.arrays(dy, dx, *first, *sums)
    f.release(handle)  # the tape keeps the weights
    x[...] = 0  # and a copy of x
    assert f.backward(held.value, at(back), 0, at(back, 1), at(back, 2), S, at(back, 2 + S), 3) == 0
    f.release(held.value)
    pairs = [(y, y_), *zip(states, last, strict=True), (wanted.x, dx)]
    pairs += [*zip(wanted.initial_state, first, strict=True), *zip(wanted.weights.values(), sums, strict=True)]
    for ours, theirs in pairs:
        assert np.array_equal(ours, theirs)

    state = tuple(np.zeros((B, H), dtype) for _ in range(S))
    kept_states = [s.copy() for s in state]
    ones = np.ones((B, x.shape[2]), dtype)
    rows = capi.arrays(ones, *kept_states)
    for _ in range(3):
        state = functional.step(packed, ones, state)
        assert f.step(capi.address(packed), at(rows), at(rows, 1), S) == 0
    assert all(np.array_equal(a, b) for a, b in zip(state, kept_states, strict=True))


def test_from_c(tmp_path: Path) -> None:
    module = built(EXAMPLES / "from_c.c", tmp_path)
    x, (W, U, b) = drawn("lstm", np.float32, 3, 7, 4, 8)
    y, dx, sums = np.empty((3, 7, 8), np.float32), np.empty_like(x), [np.zeros_like(w) for w in (W, U, b)]
    total = module.gradients(x, W, U, b, y, dx, *sums)
    out, _, tape = functional.lstm_forward(x, W, U, b, tape=True)
    wanted = functional.lstm_backward(tape, np.ones_like(out))
    assert np.array_equal(out, y)
    assert total == pytest.approx(out.sum(), rel=1e-5)
    assert np.array_equal(dx, wanted.x)
    assert all(np.array_equal(a, b) for a, b in zip(sums, wanted.weights.values(), strict=True))
    good = [x, W, U, b, y, dx, *sums]
    for i in range(len(good)):
        for bad in (good[i][:-1].copy(), good[i].astype(np.float64), np.zeros((1, 1), np.float32)):
            with pytest.raises(ValueError, match="expected"):
                module.gradients(*good[:i], bad, *good[i + 1 :])


def test_from_cython(tmp_path: Path) -> None:
    pytest.importorskip("Cython")
    source = tmp_path / "from_cython.c"
    command = [sys.executable, "-m", "cython", "-I", cellstep.get_include(), EXAMPLES / "from_cython.pyx", "-o", source]
    subprocess.run(command, check=True)
    module = built(source, tmp_path)
    _, weights = drawn("lstm", np.float32, 1, 1, 6, 6)
    packed = functional.pack("lstm", *weights)
    h, c = np.full((2, 6), 0.5, np.float32), np.zeros((2, 6), np.float32)
    state = h, c
    for _ in range(50):
        state = functional.step(packed, state[0], state)
    module.closed_loop(capi.address(packed), h, c, 50)
    assert np.array_equal(h, state[0])
    assert np.array_equal(c, state[1])
    with pytest.raises(ValueError, match=r"expected the state c of shape \(2, 6\), got \(2, 5, 1\)"):
        module.closed_loop(capi.address(packed), h, c[:, :5].copy(), 1)


def test_from_numba() -> None:
    pytest.importorskip("numba")
    module = loaded("from_numba", EXAMPLES / "from_numba.py")
    where = module.main(50, 5)
    assert where.shape == (50,)
    assert np.isfinite(where).all()
    assert np.array_equal(where, module.main(50, 5))


def test_what_does_not_fit_is_said_and_nothing_is_written() -> None:
    """Random descriptions, sizes, counts and handles: each call fails, with a sentence, and writes nothing."""
    f, rng = capi.functions(), np.random.default_rng(0)
    x, weights = drawn("lstm", np.float32, 2, 3, 4, 5)
    y, h, c = np.full((2, 3, 5), 7, np.float32), np.full((2, 5), 7, np.float32), np.full((2, 5), 7, np.float32)
    mask, dx = np.ones((2, 3), bool), np.full(x.shape, 7, np.float32)
    sums = [np.full(w.shape, 7, np.float32) for w in weights]
    handle = f.pack(text("lstm"), 0, at(capi.arrays(*weights)), 3, 1)
    held = ctypes.c_void_p()
    good = capi.arrays(x, mask, h, c, y, h, c)
    assert (
        f.forward(handle, at(good), at(good, 1), at(good, 2), at(good, 4), at(good, 5), 2, ctypes.addressof(held)) == 0
    )
    y[...] = h[...] = c[...] = 7
    one, steps = capi.arrays(x[:, 0].copy(), h, c), capi.arrays(x, mask, h, c, y, h, c)
    back, packs = capi.arrays(y, h, c, dx, h, c, *sums), capi.arrays(*weights)
    for i in range(3000):
        kind = ("step", "forward", "backward", "pack")[i % 4]
        rows = {"step": one, "forward": steps, "backward": back, "pack": packs}[kind].copy()
        row, column = rng.integers(len(rows)), rng.integers(1, 5)
        old = rows[row, column]
        rows[row, column] = rng.choice([-1, 0, old + 1, old - 1, 2**31, 2**62, -(2**63)])
        if rows[row, column] == old:
            continue
        if kind == "pack" and row == 0 and column == 2:  # any number of inputs will do
            continue
        result = {
            "step": lambda r: f.step(handle, at(r), at(r, 1), 2),
            "forward": lambda r: f.forward(handle, at(r), at(r, 1), at(r, 2), at(r, 4), at(r, 5), 2, 0),
            "backward": lambda r: f.backward(held.value, at(r), at(r, 1), at(r, 3), at(r, 4), 2, at(r, 6), 3),
            "pack": lambda r: -1 if f.pack(text("lstm"), 0, at(r), 3, 1) == 0 else 0,
        }[kind](rows)
        assert result == -1, (kind, row, column, rows[row])
        assert f.error()
    for wrong in (0, held.value, id(None), id(weights)):
        assert f.step(wrong, at(one), at(one, 1), 2) == -1
        assert f.forward(wrong, at(steps), 0, 0, at(steps, 4), at(steps, 5), 2, 0) == -1
    assert f.backward(handle, at(back), 0, 0, 0, 2, 0, 0) == -1
    for count in (-1, 0, 1, 3, 10**9):
        assert f.step(handle, at(one), at(one, 1), count) == -1
        assert f.backward(held.value, at(back), 0, 0, 0, count, 0, 0) == -1
        assert f.pack(text("lstm"), 0, at(packs), 4 if count == 3 else count, 1) == 0
    for cell, options in (
        (0, 0),
        (text("\xff"), 0),
        (text("lstm"), text("reset_after=true")),
        (text("gru"), text("activation")),
    ):
        assert f.pack(cell, options, at(packs), 3, 1) == 0
        assert f.error().startswith(b"expected")
    assert f.step(handle, 0, at(one, 1), 2) == f.step(handle, at(one), 0, 2) == -1
    assert all((a == 7).all() for a in (y, h, c, dx, *sums))
    f.release(0)
    f.release(held.value)
    f.release(handle)


def test_a_long_sentence_ends_at_a_character() -> None:
    f = capi.functions()
    for before in ("", "a"):
        assert f.pack(text(before + 600 * "é"), 0, 0, 0, 0) == 0
        assert 509 < len(f.error()) < 512
        assert f.error().decode().endswith("éé")


def test_threads_have_sentences_of_their_own_and_one_bits() -> None:
    f = capi.functions()
    x, weights = drawn("gru", np.float32, 4, 1, 8, 16)
    packed = functional.pack("gru", *weights, reset_after=False)
    wanted = (np.zeros((4, 16), np.float32),)
    for _ in range(200):
        wanted = functional.step(packed, x[:, 0], wanted)
    f.step(0, 0, 0, 0)
    seen: list[Any] = []

    def work() -> None:
        h, first = np.zeros((4, 16), np.float32), x[:, 0].copy()
        rows = capi.arrays(first, h)
        before = f.error()
        for _ in range(200):
            assert f.step(capi.address(packed), at(rows), at(rows, 1), 1) == 0
        seen.append((before, np.array_equal(h, wanted[0])))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [(b"", True)] * 8


def test_what_python_hands_over_is_checked() -> None:
    packed = functional.pack("rnn", np.ones((2, 3), np.float32), np.ones((3, 3), np.float32))
    assert capi.address(packed) == capi.address(packed)
    for wrong in (None, 3, packed.weights):
        with pytest.raises(TypeError, match="expected packed to be weights from"):
            capi.address(wrong)
    with cellstep.use_backend("numpy"):
        other = functional.pack("rnn", np.ones((2, 3), np.float32), np.ones((3, 3), np.float32))
    with pytest.raises(TypeError, match="backend numpy"):
        capi.address(other)
    read_only = np.ones(3)
    read_only.flags.writeable = False
    for wrong in (read_only, np.ones((4, 4))[:, ::2], np.ones((2, 2, 2, 2)), np.ones(3, ">f4")):
        with pytest.raises(ValueError, match="expected array 1 to be C-contiguous"):
            capi.arrays(None, wrong)
    for wrong in ([1.0], np.ones(3, int), "x"):
        with pytest.raises(TypeError, match="expected array 0 to hold floats or booleans"):
            capi.arrays(wrong)
