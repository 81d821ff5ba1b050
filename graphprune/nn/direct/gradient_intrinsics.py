"""The innermost loop of a weight's gradient, as vector code that stays in registers.

A weight's gradient is a sum over positions. Here `rows` planes of output gradients meet one
plane of input at `taps` distances: all their sums of products run together, so that each vector
loaded serves several of them, and lanes are added up once, at the end.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from graphprune.nn.direct.intrinsics import FLOAT_BYTES, LANES

_FLOAT = ir.FloatType()
_WORD = ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)


def products(rows: int, taps: int) -> Any:
    """Intrinsic that adds rows * taps sums of products to a weight's gradient.

    Its arguments are machine words: address of the output gradient's first plane; of the
    float offsets of `rows` planes from there (int64); address of the input's plane; of the
    float offsets of `taps` taps (int64); count of vectors in a plane, at least 1; address of
    the weight's gradient at the first tap; of the float offsets of the `rows` channels there
    (int64), where the taps lie side by side.
    """

    @intrinsic
    def multiply(
        _context: Any,
        gradients: Any, planes: Any, inputs: Any, distances: Any, count: Any,
        target: Any, slots: Any,
    ) -> Any:  # fmt: skip  # pragma: no cover (compiled)
        def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            _Products(builder, rows, taps).emit(*arguments)
            return ir.Constant(_WORD, 0)

        return types.int64(*[types.int64] * 7), generate

    return multiply


class _Products:
    """Writes the code of one block into a function that is being built."""

    def __init__(self, builder: Any, rows: int, taps: int) -> None:
        self.builder, self.rows, self.taps = builder, rows, taps
        self.fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fmuladd.v{LANES}f32"
        )

    def emit(
        self,
        gradients: Any, planes: Any, inputs: Any, distances: Any, count: Any,
        target: Any, slots: Any,
    ) -> None:  # fmt: skip
        """One loop over vectors, then the sums over lanes."""
        build = self.builder
        lines = self._starts(gradients, planes, self.rows)
        shifted = self._starts(inputs, distances, self.taps)
        before = build.basic_block
        loop, after = (build.append_basic_block(name) for name in ("vectors", "after"))
        build.branch(loop)
        build.position_at_end(loop)
        at = build.phi(_WORD)
        sums = [[build.phi(_VECTOR) for _ in shifted] for _ in lines]
        held = [self._load(start, at) for start in shifted]
        added = []
        for line, row in zip(lines, sums, strict=True):
            value = self._load(line, at)
            added.append(
                [build.call(self.fma, [value, x, s]) for x, s in zip(held, row, strict=True)]
            )
        following = build.add(at, _word(LANES))
        end = build.mul(count, _word(LANES))
        build.cbranch(build.icmp_signed("<", following, end), loop, after)
        at.add_incoming(_word(0), before)
        at.add_incoming(following, loop)
        for row, row_after in zip(sums, added, strict=True):
            for phi, value in zip(row, row_after, strict=True):
                phi.add_incoming(ir.Constant(_VECTOR, [0.0] * LANES), before)
                phi.add_incoming(value, loop)
        build.position_at_end(after)
        for row, start in zip(added, self._starts(target, slots, self.rows), strict=True):
            for tap, value in enumerate(row):
                place = build.gep(start, [_word(tap)])
                build.store(build.fadd(build.load(place), self._total(value)), place)

    def _starts(self, base: Any, offsets: Any, count: int) -> list[Any]:
        """Pointers to `count` places that lie `offsets` floats behind one address."""
        build = self.builder
        first = build.inttoptr(base, _FLOAT.as_pointer())
        table = build.inttoptr(offsets, _WORD.as_pointer())
        return [
            build.gep(first, [build.load(build.gep(table, [_word(i)]))]) for i in range(count)
        ]

    def _load(self, start: Any, at: Any) -> Any:
        place = self.builder.gep(start, [at])
        value = self.builder.load(self.builder.bitcast(place, _VECTOR.as_pointer()))
        value.align = FLOAT_BYTES
        return value

    def _total(self, vector: Any) -> Any:
        """Sum of a vector's lanes, halves added to halves."""
        build, lanes = self.builder, LANES
        while lanes > 1:
            lanes //= 2
            low, high = (
                ir.Constant(ir.VectorType(ir.IntType(32), lanes), list(range(a, a + lanes)))
                for a in (0, lanes)
            )
            halves = [build.shuffle_vector(vector, vector, half) for half in (low, high)]
            vector = build.fadd(*halves)
        return build.extract_element(vector, ir.Constant(ir.IntType(32), 0))


def _word(value: int) -> Any:
    return ir.Constant(_WORD, value)


def copy(lanes: int) -> Any:
    """Intrinsic that copies `lanes` floats from its second address to its first."""
    kind = ir.VectorType(_FLOAT, lanes)

    @intrinsic
    def move(_context: Any, target: Any, source: Any) -> Any:  # pragma: no cover (compiled)
        def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            place, origin = (builder.inttoptr(each, kind.as_pointer()) for each in arguments)
            value = builder.load(origin)
            value.align = FLOAT_BYTES
            builder.store(value, place).align = FLOAT_BYTES
            return ir.Constant(_WORD, 0)

        return types.int64(types.int64, types.int64), generate

    return move


@intrinsic
def zero_vector(_context: Any, target: Any) -> Any:  # pragma: no cover (compiled)
    """Write LANES zeros from an address on."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], _VECTOR.as_pointer())
        builder.store(ir.Constant(_VECTOR, [0.0] * LANES), place).align = FLOAT_BYTES
        return ir.Constant(_WORD, 0)

    return types.int64(types.int64), generate
