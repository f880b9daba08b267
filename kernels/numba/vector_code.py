"""Machine code for a cell's equations: a function of `cs_span` (tiles/tiles.h) for each phase, forward and backward.

LLVM compiles it, which comes with Numba: explicit vectors, so that what a unit gets depends neither on its place nor on
what lies beside it. The compiled loops call it through pointers, and so do Numba's, where gates lie each for itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from llvmlite import binding, ir  # type: ignore[import-untyped, unused-ignore]

from ..equations.program import Place, Program, Stage
from .code_cache import kept
from .vector_math import VectorMath

#: Nodes of a graph that are gone through by recursion, at most.
DEEP = 100
_WORD = ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()
#: Words of a span, and of its arrays of pointers, CS_STATES each.
SPAN = {
    name: i
    for i, name in enumerate(
        [
            *("rows", "j0", "j1", "H", "Hp", "ldz", "ldh", "active", "activations", "z", "seen"),
            *(f"before{k}" for k in range(14)),
            *(f"after{k}" for k in range(14)),
            "dz",
            *(f"dstate{k}" for k in range(14)),
            *("dseen", "dmade", "vectors"),
        ]
    )
}


class Target(NamedTuple):
    """What code is made for: LLVM's name of the processor, or empty for this one; lanes of a vector; bytes of a number;
    whether gates lie each for itself."""

    processor: str
    lanes: int
    size: int
    apart: bool


class Code(NamedTuple):
    """Addresses of functions, by phase."""

    forward: tuple[int, ...]
    backward: tuple[int, ...]


_engines: list[Any] = []


@cache
def code_of(program: Program, target: Target) -> Code:
    """Compile a program; the code stays for as long as the process."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    features = "" if target.processor else binding.get_host_cpu_features().flatten()
    processor = target.processor or binding.get_host_cpu_name()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=processor, features=features, opt=3, jit=True
    )
    key = (program.e.key, target, processor, features, binding.llvm_version_info, _sources())
    code = kept(hashlib.sha256(repr(key).encode()).hexdigest(), lambda: _compiled(program, target, machine))
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    ways = ("forward", "backward")
    return Code(*(tuple(engine.get_function_address(f"{w}{k}") for k in range(program.phases)) for w in ways))


def _compiled(program: Program, target: Target, machine: Any) -> bytes:
    """Machine code, as a linker takes it."""
    module = ir.Module("equations")
    module.triple = binding.get_process_triple()
    for way, stages in (("forward", program.forward), ("backward", program.backward)):
        for k, stage in enumerate(stages):
            _Function(module, program, target, stage, f"{way}{k}", way == "backward")
    code: bytes = machine.emit_object(binding.parse_assembly(str(module)))
    return code


@cache
def _sources() -> str:
    here = Path(__file__).parent
    files = [*sorted((here.parent / "equations").glob("*.py")), *sorted(here.glob("vector_*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


class _Function:
    """One function: rows, and for each the passes over blocks of units that its totals need, stores in the last one."""

    def __init__(self, module: Any, program: Program, target: Target, stage: Stage, name: str, backward: bool) -> None:
        self.program, self.target, self.stage, self.graph = program, target, stage, program.graph
        if target.processor:
            fused = target.processor != "x86-64-v2"
        else:
            fused = binding.get_host_cpu_features().get("fma", True)
        self.math = VectorMath(module, target.lanes, target.size, fused)
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_WORD.as_pointer()]), name)
        self.function = function
        self.b = self.math.builder = ir.IRBuilder(function.append_basic_block())
        self.span = {field: self._field(function.args[0], i) for field, i in SPAN.items()}
        self.bytes = self._number(target.size)
        self._plan()
        with self._loop(self._number(0), self.span["rows"], self._number(1)) as row:
            self.row = row
            self.bases: dict[Place, Any] = {}
            for place in [*(self.stage.loads[at] for at in self.order if at in stage.loads), *dict(stage.stores)]:
                self._base(place)
            self._carried(backward)
            del self.row
        self.b.ret_void()

    def _number(self, value: int) -> Any:
        return ir.Constant(_WORD, value)

    def _field(self, span: Any, i: int) -> Any:
        return self.b.load(self.b.gep(span, [self._number(i)]))

    @contextmanager
    def _loop(self, begin: Any, end: Any, step: Any) -> Iterator[Any]:
        """for i in range(begin, end, step); what is carried from turn to turn is in `self.carried`."""
        b = self.b
        before, head = b.block, self.function.append_basic_block()
        body, after = self.function.append_basic_block(), self.function.append_basic_block()
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(_WORD)
        i.add_incoming(begin, before)
        b.cbranch(b.icmp_signed("<", i, end), body, after)
        b.position_at_end(body)
        yield i
        i.add_incoming(b.add(i, step), b.block)
        b.branch(head)
        b.position_at_end(after)

    # ---- what is computed in which pass ----

    def _plan(self) -> None:
        graph, loads = self.graph, self.stage.loads
        self.order = graph.below([at for _, at in self.stage.stores], loads)
        self.level: dict[int, int] = {}
        uses: dict[int, int] = {}
        for at in self.order:
            arguments = () if at in loads else graph.nodes[at].arguments
            for a in arguments:
                uses[a] = uses.get(a, 0) + 1
            total = graph.nodes[at].op == "total" and at not in loads
            self.level[at] = max([self.level[a] for a in arguments], default=0) + total
        for _, at in self.stage.stores:
            uses[at] = uses.get(at, 0) + 2
        self.once = {at for at, n in uses.items() if n == 1 and at not in loads and graph.nodes[at].op == "multiply"}
        self.totals = [at for at in self.order if at not in loads and graph.nodes[at].op == "total"]
        #: Values that a row has one of.
        self.scalars: dict[int, Any] = {}

    def _base(self, place: Place) -> Any:
        """Where this row's first block of a value lies."""
        if place not in self.bases:
            b, span, kind, k = self.b, self.span, place.kind, place.number
            if kind in ("z", "dz"):
                first, within = self._group(k) if kind == "z" else (k, 0)
                start = b.mul(b.mul(self._number(first), span["Hp"]), self.bytes)
                start = b.add(start, self._number(within * self.target.lanes * self.target.size))
                at = b.add(b.add(span[kind], b.mul(self.row, span["ldz"])), start)
            elif kind == "vector":
                at = b.add(span["vectors"], b.mul(b.mul(self._number(k), span["Hp"]), self.bytes))
            else:
                field = kind if kind in ("seen", "dseen", "dmade") else f"{kind}{k}"
                at = b.add(span[field], b.mul(self.row, span["ldh"]))
            self.bases[place] = at
        return self.bases[place]

    def _group(self, stretch: int) -> tuple[int, int]:
        """The first stretch of those that lie block by block beside it, and its place among them."""
        if self.target.apart:
            return stretch, 0
        first = next(first for first, count in self.program.groups if first <= stretch < first + count)
        return first, stretch - first

    def _width(self, place: Place) -> int:
        """Vectors from block to block."""
        if place.kind != "z" or self.target.apart:
            return 1
        return next(count for first, count in self.program.groups if first <= place.number < first + count)

    # ---- passes ----

    def _carried(self, backward: bool) -> None:
        """A row that does not run keeps its states, makes zeros to be multiplied, and has no part in gradients."""
        b = self.b
        none = b.icmp_unsigned("==", self.span["active"], self._number(0))
        runs, asks, done = (self.function.append_basic_block() for _ in range(3))
        rests = self.function.append_basic_block()
        b.cbranch(none, runs, asks)
        b.position_at_end(asks)
        flag = b.load(b.inttoptr(b.add(self.span["active"], self.row), _BYTES))
        b.cbranch(b.icmp_unsigned("!=", flag, ir.Constant(ir.IntType(8), 0)), runs, rests)
        b.position_at_end(rests)
        zero = self.math.all(0.0)
        made = [Place("z", at) for at in self.program.made]
        places = [place for place, _ in self.stage.stores if place.kind in ("dz", "after") or place in made]
        places = [place for place in places if place not in self.stage.adds]

        def block(j: Any, mask: Any) -> None:
            for place in places:
                kept = place.kind == "after"
                self._store(place, j, mask, self._load(Place("before", place.number), j, mask) if kept else zero)

        for place in places:
            if place.kind == "after":
                self._base(Place("before", place.number))
        self._blocks(block)
        self.bases = (
            {place: at for place, at in self.bases.items() if place.kind != "before"} if not backward else self.bases
        )
        b.branch(done)
        b.position_at_end(runs)
        for at in self.order:
            if at in self.stage.loads:
                self._base(self.stage.loads[at])
        self._passes()
        b.branch(done)
        b.position_at_end(done)

    def _passes(self) -> None:
        self.scalars = {}
        for level in range(1 + max((self.level[t] for t in self.totals), default=0)):
            totals = [t for t in self.totals if self.level[t] == level + 1]
            if totals:
                self._sum(totals)
        for at in self.order:
            if not self.graph.wide[at]:
                self._value(at, {}, None, None)
        self._blocks(self._final)

    def _final(self, j: Any, mask: Any) -> None:
        memo: dict[int, Any] = {}
        values = self._values([at for _, at in self.stage.stores], memo, j, mask)
        for (place, _), value in zip(self.stage.stores, values, strict=True):
            if place in self.stage.adds:
                value = self.b.fadd(self._load(place, j, mask), value)
            self._store(place, j, mask, value)

    def _sum(self, totals: list[int]) -> None:
        """Totals of a row."""
        zero = self.math.all(0.0)
        sums = {t: self._room(zero) for t in totals}
        for t in totals:
            for a in self.graph.below([t], [*self.stage.loads, *(x for x in self.totals if x != t)]):
                if not self.graph.wide[a] and a != t:
                    self._value(a, {}, None, None)

        def block(j: Any, mask: Any) -> None:
            values = self._values([self.graph.nodes[t].arguments[0] for t in sums], {}, j, mask)
            for room, value in zip(sums.values(), values, strict=True):
                if mask is not None:
                    value = self.b.select(mask, value, zero)
                self.b.store(self.b.fadd(self.b.load(room), value), room)

        self._blocks(block)
        for t, room in sums.items():
            self.scalars[t] = self.math.folded(self.b.load(room))

    def _room(self, value: Any) -> Any:
        """A place on the stack."""
        with self.b.goto_entry_block():
            room = self.b.alloca(self.math.vector)
        self.b.store(value, room)
        return room

    def _blocks(self, body: Callable[[Any, Any], None]) -> None:
        """The whole blocks of units, and the one at the edge, which gets a mask of its lanes."""
        b, lanes, span = self.b, self.target.lanes, self.span
        whole = b.sdiv(span["H"], self._number(lanes))
        end = b.select(b.icmp_signed("<", span["j1"], whole), span["j1"], whole)
        with self._loop(span["j0"], end, self._number(1)) as j:
            body(j, None)
        rest = b.sub(span["H"], b.mul(whole, self._number(lanes)))
        edge = b.and_(
            b.icmp_signed(">", rest, self._number(0)),
            b.and_(b.icmp_signed("<", whole, span["j1"]), b.icmp_signed(">=", whole, span["j0"])),
        )
        inside, after = self.function.append_basic_block(), self.function.append_basic_block()
        b.cbranch(edge, inside, after)
        b.position_at_end(inside)
        integer = ir.VectorType(ir.IntType(32), lanes)
        none, zero = ir.Constant(integer, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        count = b.insert_element(none, b.trunc(rest, ir.IntType(32)), zero)
        count = b.shuffle_vector(count, none, ir.Constant(integer, [0] * lanes))
        body(whole, b.icmp_signed("<", ir.Constant(integer, list(range(lanes))), count))
        b.branch(after)
        b.position_at_end(after)

    # ---- values ----

    def _pointer(self, place: Place, j: Any) -> Any:
        b, bytes_of_block = self.b, self._width(place) * self.target.lanes * self.target.size
        at = b.add(self._base(place), b.mul(j, self._number(bytes_of_block)))
        return b.inttoptr(at, self.math.vector.as_pointer())

    def _load(self, place: Place, j: Any, mask: Any) -> Any:
        b, m = self.b, self.math
        pointer = self._pointer(place, j)
        if mask is None:
            return b.load(pointer, align=self.target.size)
        i32 = ir.IntType(32)
        name = f"llvm.masked.load.{m.suffix}.p0"
        function = m.declared(name, m.vector, pointer.type, i32, m.truths, m.vector)
        return b.call(function, [pointer, ir.Constant(i32, self.target.size), mask, m.all(0.0)])

    def _store(self, place: Place, j: Any, mask: Any, value: Any) -> None:
        b, m = self.b, self.math
        pointer = self._pointer(place, j)
        if mask is None:
            b.store(value, pointer, align=self.target.size)
            return
        i32 = ir.IntType(32)
        name = f"llvm.masked.store.{m.suffix}.p0"
        function = m.declared(name, ir.VoidType(), m.vector, pointer.type, i32, m.truths)
        b.call(function, [value, pointer, ir.Constant(i32, self.target.size), mask])

    def _values(self, wanted: list[int], memo: dict[int, Any], j: Any, mask: Any) -> list[Any]:
        """Nodes' values; of large graphs what they are made of first, in order, as recursion has an end."""
        if len(self.order) > DEEP:
            for at in self.graph.below(wanted, [*self.stage.loads, *self.scalars]):
                self._value(at, memo, j, mask)
        return [self._value(at, memo, j, mask) for at in wanted]

    def _value(self, at: int, memo: dict[int, Any], j: Any, mask: Any) -> Any:
        """A node's value for a block of units, or of those that a row has one of."""
        if at in memo:
            return memo[at]
        if at in self.scalars:
            return self.scalars[at]
        node, m, wide = self.graph.nodes[at], self.math, self.graph.wide[at]
        if at in self.stage.loads:
            value = self._load(self.stage.loads[at], j, mask)
        elif node.op == "constant":
            value = m.all(node.value)
        elif node.op == "units":
            value = m.spread(self.b.sitofp(self.span["H"], m.number))
        else:
            value = self._fused(node, memo, j, mask)
            if value is None:
                value = m.apply(node.op, [self._value(a, memo, j, mask) for a in node.arguments])
        if wide:
            memo[at] = value
        else:
            self.scalars[at] = value
        return value

    def _fused(self, node: Any, memo: dict[int, Any], j: Any, mask: Any) -> Any:
        """A sum or difference with a product that nothing else needs, rounded once; None for others."""
        if node.op not in ("add", "subtract"):
            return None
        for i in (1, 0):
            at, other = node.arguments[i], node.arguments[1 - i]
            if at in self.once and at not in self.stage.loads and self.graph.wide[at]:
                a, b = (self._value(x, memo, j, mask) for x in self.graph.nodes[at].arguments)
                c = self._value(other, memo, j, mask)
                if node.op == "subtract" and i == 1:
                    a = self.math.apply("negative", [a])
                elif node.op == "subtract":
                    c = self.math.apply("negative", [c])
                return self.math.fma(a, b, c)
        return None
