"""The innermost loop of a direct convolution, as vector code that stays in registers.

LLVM vectorises plain loops, but does not keep a block of several output channels and several
vectors in registers. Here the block is spelt out: `rows` output channels times `vectors`
runs of `LANES` floats are accumulated together, so that each vector of input serves all
channels and each weight serves all vectors.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 8  # floats in a vector; LLVM splits or joins it to what the machine has
FLOAT_BYTES = 4

_FLOAT = ir.FloatType()
_WORD = ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)


def block(rows: int, vectors: int) -> Any:
    """Intrinsic that computes `vectors` * LANES outputs of each of `rows` channels.

    Its arguments are machine words: addresses of the input at the block's first output, of
    that output, and of a residual laid out like it, or 0; address and count of the float
    offsets of channels (int64), then of taps; addresses of the weights, shape (channels, taps,
    rows), and of the biases, shape (rows,); floats between output channels; whether to clip at
    zero.
    """

    @intrinsic
    def multiply(
        _context: Any,
        source: Any, target: Any, residual: Any, channel_offsets: Any, channels: Any,
        tap_offsets: Any, taps: Any, weights: Any, biases: Any, stride: Any, clip: Any,
    ) -> Any:  # fmt: skip  # pragma: no cover (compiled)
        def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            _Block(builder, rows, vectors).emit(*arguments)
            return ir.Constant(_WORD, 0)

        return types.int64(*[types.int64] * 11), generate

    return multiply


class _Block:
    """Writes the code of one block into a function that is being built."""

    def __init__(self, builder: Any, rows: int, vectors: int) -> None:
        self.builder, self.rows, self.vectors = builder, rows, vectors
        self.fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fmuladd.v{LANES}f32"
        )

    def emit(
        self,
        source: Any, target: Any, residual: Any, channel_offsets: Any, channels: Any,
        tap_offsets: Any, taps: Any, weights: Any, biases: Any, stride: Any, clip: Any,
    ) -> None:  # fmt: skip
        """Two nested loops, over input channels and over taps, then the epilogue."""
        build = self.builder
        source, weights, biases, target = (
            build.inttoptr(each, _FLOAT.as_pointer())
            for each in (source, weights, biases, target)
        )
        channel_offsets, tap_offsets = (
            build.inttoptr(each, _WORD.as_pointer()) for each in (channel_offsets, tap_offsets)
        )
        bias = [
            self._splat(build.load(build.gep(biases, [_word(r)]))) for r in range(self.rows)
        ]
        before = build.basic_block
        over_channels, over_taps, next_channel, after = (
            build.append_basic_block(name) for name in ("channels", "taps", "next", "after")
        )
        build.branch(over_channels)
        build.position_at_end(over_channels)
        channel, weight_outer = build.phi(_WORD), build.phi(_WORD)
        outer = [[build.phi(_VECTOR) for _ in range(self.vectors)] for _ in range(self.rows)]
        plane = build.gep(source, [build.load(build.gep(channel_offsets, [channel]))])
        build.branch(over_taps)
        build.position_at_end(over_taps)
        tap, weight = build.phi(_WORD), build.phi(_WORD)
        inner = [[build.phi(_VECTOR) for _ in range(self.vectors)] for _ in range(self.rows)]
        start = build.gep(plane, [build.load(build.gep(tap_offsets, [tap]))])
        sums = self._multiply(start, build.gep(weights, [weight]), inner)
        tap_after = build.add(tap, _word(1))
        weight_after = build.add(weight, _word(self.rows))
        build.cbranch(build.icmp_signed("<", tap_after, taps), over_taps, next_channel)
        build.position_at_end(next_channel)
        channel_after = build.add(channel, _word(1))
        more = build.icmp_signed("<", channel_after, channels)
        build.cbranch(more, over_channels, after)
        self._join(channel, (_word(0), before), (channel_after, next_channel))
        self._join(weight_outer, (_word(0), before), (weight_after, next_channel))
        self._join(tap, (_word(0), over_channels), (tap_after, over_taps))
        self._join(weight, (weight_outer, over_channels), (weight_after, over_taps))
        for r in range(self.rows):
            for v in range(self.vectors):
                self._join(outer[r][v], (bias[r], before), (sums[r][v], next_channel))
                self._join(inner[r][v], (outer[r][v], over_channels), (sums[r][v], over_taps))
        build.position_at_end(after)
        self._finish(sums, target, stride, residual, clip)

    def _multiply(self, start: Any, weights: Any, sums: Any) -> Any:
        """One input channel at one tap. Whichever there are fewer of are all held at once."""
        build = self.builder
        sums = [list(row) for row in sums]

        def scalar(r: int) -> Any:
            return self._splat(build.load(build.gep(weights, [_word(r)])))

        if self.rows < self.vectors:
            held = [scalar(r) for r in range(self.rows)]
            for v in range(self.vectors):
                values = self._load(start, v)
                for r in range(self.rows):
                    sums[r][v] = build.call(self.fma, [held[r], values, sums[r][v]])
            return sums
        held = [self._load(start, v) for v in range(self.vectors)]
        for r in range(self.rows):
            value = scalar(r)
            for v in range(self.vectors):
                sums[r][v] = build.call(self.fma, [value, held[v], sums[r][v]])
        return sums

    def _finish(self, sums: Any, target: Any, stride: Any, residual: Any, clip: Any) -> None:
        """Add the residual, clip, store."""
        build = self.builder
        zeros = ir.Constant(_VECTOR, [0.0] * LANES)
        clipped = build.icmp_signed("!=", clip, _word(0))
        with build.if_else(build.icmp_signed("!=", residual, _word(0))) as (added, plain):
            with added:
                other = build.inttoptr(residual, _FLOAT.as_pointer())
                totals = [
                    [
                        build.fadd(sums[r][v], self._load(self._row(other, stride, r), v))
                        for v in range(self.vectors)
                    ]
                    for r in range(self.rows)
                ]
                from_added = build.basic_block
            with plain:
                from_plain = build.basic_block
        # Phis come first in a block: make them all before anything else.
        joined = [[build.phi(_VECTOR) for _ in range(self.vectors)] for _ in range(self.rows)]
        for r in range(self.rows):
            for v in range(self.vectors):
                self._join(joined[r][v], (totals[r][v], from_added), (sums[r][v], from_plain))
        for r in range(self.rows):
            for v in range(self.vectors):
                value = joined[r][v]
                # "less than" is false for NaN, which so is kept as torch keeps it.
                negative = build.fcmp_ordered("<", value, zeros)
                positive = build.select(negative, zeros, value)
                value = build.select(clipped, positive, value)
                place = build.gep(self._row(target, stride, r), [_word(v * LANES)])
                build.store(
                    value, build.bitcast(place, _VECTOR.as_pointer())
                ).align = FLOAT_BYTES

    def _row(self, start: Any, stride: Any, row: int) -> Any:
        return self.builder.gep(start, [self.builder.mul(stride, _word(row))])

    def _load(self, start: Any, vector: int) -> Any:
        place = self.builder.gep(start, [_word(vector * LANES)])
        value = self.builder.load(self.builder.bitcast(place, _VECTOR.as_pointer()))
        value.align = FLOAT_BYTES
        return value

    def _splat(self, scalar: Any) -> Any:
        nothing = ir.Constant(_VECTOR, ir.Undefined)
        first = self.builder.insert_element(nothing, scalar, ir.Constant(ir.IntType(32), 0))
        every = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(first, nothing, every)

    @staticmethod
    def _join(phi: Any, *incoming: Any) -> None:
        for value, origin in incoming:
            phi.add_incoming(value, origin)


def _word(value: int) -> Any:
    return ir.Constant(_WORD, value)


@intrinsic
def pointer(_context: Any, address: Any) -> Any:  # pragma: no cover (compiled)
    """An address as a pointer to floats, for `numba.carray`."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], _FLOAT.as_pointer())

    return types.CPointer(types.float32)(types.int64), generate


@intrinsic
def arrive(_context: Any, address: Any) -> Any:  # pragma: no cover (compiled)
    """Add one to an int64 that other threads see, and give what it was."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], _WORD.as_pointer())
        return builder.atomic_rmw("add", place, _word(1), "seq_cst")

    return types.int64(types.int64), generate


@intrinsic
def arrived(_context: Any, address: Any) -> Any:  # pragma: no cover (compiled)
    """An int64 that other threads write."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], _WORD.as_pointer())
        return builder.load_atomic(place, "seq_cst", 8)

    return types.int64(types.int64), generate


@intrinsic
def give_way(_context: Any) -> Any:  # pragma: no cover (compiled)
    """Let another thread have the core (POSIX)."""

    def generate(_target: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [])
        function = cgutils.get_or_insert_function(builder.module, kind, "sched_yield")
        return builder.sext(builder.call(function, []), _WORD)

    return types.int64(), generate
