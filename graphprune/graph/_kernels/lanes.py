"""Lanes: one row of a reach table in registers, and what the kernels do with it.

A reach table is uint64, flat; from the word `base` on, row `u` holds `words` words for each
node `u` in turn, words = 1 or 8. Lanes are those words of one row as one value, so that a loop
over neighbours stays one instruction a neighbour: left to itself, the compiler gathers single
words across neighbours, several times slower. Positions in a neighbour table count its entries
row by row. Uncompiled, lanes are an array of uint64, shape (words,).
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import errors, types
from numba.extending import intrinsic, models, register_model

from graphprune.graph._kernels.words import popcount

FULL = np.uint64(2**64 - 1)
WORD = ir.IntType(64)

if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]

    def no_lane() -> Any:
        """One word without a bit."""
        return np.zeros(1, np.uint64)

    def no_lanes() -> Any:
        """Eight words without a bit."""
        return np.zeros(8, np.uint64)

    def words_of(lanes):
        """Number of words."""
        return len(lanes)

    def with_word(lanes, word, bits):
        """The lanes with one word replaced."""
        lanes = lanes.copy()
        lanes[word] = bits
        return lanes

    def address(array):
        """Address of the first entry, in bytes."""
        return array.ctypes.data

    def load(reach, base, row, like):
        """One row of a reach table whose rows are as long as `like`."""
        first = base + row * len(like)
        return reach[first : first + len(like)].copy()

    def near(reach, base, neighbours, position, lanes):
        """The lanes and the row of the neighbour at a position, united."""
        return lanes | load(reach, base, neighbours.reshape(-1)[position], lanes)

    def store(reach, base, row, lanes):
        """Put the lanes into one row of a reach table."""
        first = base + row * len(lanes)
        reach[first : first + len(lanes)] = lanes

    def add_missing(counts, lanes):
        """Counts, one a word, plus the number of bits that are not set."""
        return counts + np.array([popcount(~word) for word in lanes], np.uint64)

    def total(counts):
        """Sum of the counts of all words."""
        return int(counts.sum())

    def is_full(lanes):
        """Whether every bit is set."""
        return bool((lanes == FULL).all())

else:  # pragma: no cover (compiled)

    class Lanes(types.Type):
        """Numba's type of `words` words side by side."""

        def __init__(self, words):
            self.words = words
            self.llvm = WORD if words == 1 else ir.VectorType(WORD, words)
            super().__init__(name=f"Lanes({words})")

    @register_model(Lanes)
    class LanesModel(models.PrimitiveModel):
        """Lanes live in registers, as what the machine calls a vector."""

        def __init__(self, manager, lanes):
            super().__init__(manager, lanes, lanes.llvm)

    def _data(context, builder, array_type, array):
        """Pointer to the first entry of an array."""
        return context.make_array(array_type)(context, builder, array).data

    def _row(builder, data, base, row, lanes):
        """Pointer to one row of a reach table."""
        first = builder.add(base, builder.mul(row, WORD(lanes.words)))
        return builder.bitcast(builder.gep(data, [first]), lanes.llvm.as_pointer())

    def _across(builder, name, result, lanes, value):
        """Call an LLVM function of a whole vector."""
        function = builder.module.declare_intrinsic(
            f"llvm.{name}.v{lanes.words}i64", fnty=ir.FunctionType(result, [lanes.llvm])
        )
        return builder.call(function, [value])

    def _half(builder, value, first, words):
        """Some words of a vector, as a shorter one."""
        places = ir.Constant(
            ir.VectorType(ir.IntType(32), words), list(range(first, first + words))
        )
        return builder.shuffle_vector(value, value, places)

    @intrinsic
    def no_lane(_typing):
        """One word without a bit."""
        return Lanes(1)(), lambda *_: WORD(0)

    @intrinsic
    def no_lanes(_typing):
        """Eight words without a bit."""
        lanes = Lanes(8)
        return lanes(), lambda *_: ir.Constant(lanes.llvm, [0] * lanes.words)

    @intrinsic
    def words_of(_typing, lanes):
        """Number of words."""
        return types.int64(lanes), lambda *_: WORD(lanes.words)

    @intrinsic
    def with_word(_typing, lanes, _word, _bits):
        """The lanes with one word replaced."""

        def generate(_context, builder, _signature, arguments):
            value, word, bits = arguments
            return bits if lanes.words == 1 else builder.insert_element(value, bits, word)

        return lanes(lanes, types.int64, types.uint64), generate

    @intrinsic
    def address(_typing, array):
        """Address of the first entry, in bytes."""

        def generate(context, builder, _signature, arguments):
            return builder.ptrtoint(_data(context, builder, array, arguments[0]), WORD)

        return types.int64(array), generate

    @intrinsic
    def load(_typing, reach, _base, _row_number, like):
        """One row of a reach table whose rows are as long as `like`."""

        def generate(context, builder, _signature, arguments):
            table, base, row, _ = arguments
            data = _data(context, builder, reach, table)
            return builder.load(_row(builder, data, base, row, like), align=8)

        return like(reach, types.int64, types.int64, like), generate

    @intrinsic
    def near(_typing, reach, _base, neighbours, _position, lanes):
        """The lanes and the row of the neighbour at a position, united."""
        if neighbours.layout != "C":
            raise errors.TypingError("a neighbour table must be contiguous, row by row")

        def generate(context, builder, _signature, arguments):
            table, base, entries, position, value = arguments
            entry = builder.gep(_data(context, builder, neighbours, entries), [position])
            node = builder.zext(builder.load(entry), WORD)
            data = _data(context, builder, reach, table)
            found = builder.load(_row(builder, data, base, node, lanes), align=8)
            return builder.or_(value, found)

        return lanes(reach, types.int64, neighbours, types.int64, lanes), generate

    @intrinsic
    def store(_typing, reach, _base, _row_number, lanes):
        """Put the lanes into one row of a reach table."""

        def generate(context, builder, _signature, arguments):
            table, base, row, value = arguments
            data = _data(context, builder, reach, table)
            builder.store(value, _row(builder, data, base, row, lanes), align=8)
            return context.get_dummy_value()

        return types.void(reach, types.int64, types.int64, lanes), generate

    @intrinsic
    def add_missing(_typing, counts, lanes):
        """Counts, one a word, plus the number of bits that are not set."""

        def generate(_context, builder, _signature, arguments):
            missing = builder.not_(arguments[1])
            if lanes.words == 1:
                return builder.add(arguments[0], builder.ctpop(missing))
            bits = _across(builder, "ctpop", lanes.llvm, lanes, missing)
            return builder.add(arguments[0], bits)

        return counts(counts, lanes), generate

    @intrinsic
    def total(_typing, counts):
        """Sum of the counts of all words."""

        def generate(_context, builder, _signature, arguments):
            if counts.words == 1:
                return arguments[0]
            return _across(builder, "vector.reduce.add", WORD, counts, arguments[0])

        return types.int64(counts), generate

    @intrinsic
    def is_full(_typing, lanes):
        """Whether every bit is set."""

        def generate(_context, builder, _signature, arguments):
            value, words = arguments[0], lanes.words
            while words > 4:  # down to what one comparison takes
                words //= 2
                low, high = (_half(builder, value, at, words) for at in (0, words))
                value = builder.and_(low, high)
            value = builder.bitcast(value, ir.IntType(64 * words))
            return builder.icmp_unsigned("==", value, ir.Constant(value.type, -1))

        return types.boolean(lanes), generate
