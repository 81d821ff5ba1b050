"""How many more far pairs a swap would leave, without making it.

Far pairs are those more than two hops apart; walk rows are those of `walk_rows`. A swap takes
the edges a-b and c-e to a-e and c-b and can be made where neither new edge exists.

With p the near set of `a` less that of `c`, and q the reverse: the walks of `b` over `a` to p
are lost and those over `c` to q are gained; for `e` it is the other way round. The pairs that
had one walk and lose it, or had none and gain one, are those that count. The same holds with
`b` and `e` for `a` and `c`. What that leaves out are pairs within the four.

`block` is a tuple whose length, 1, 2 or 4, is the number of words that are taken at once, known
when a kernel is compiled. All words of a set are taken at once where there are less than 4.
"""

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from graphprune.graph._kernels.walk_rows import LOW_SIX, SIX, words_of
from graphprune.graph._kernels.words import ONE, popcount

NO_WORD = np.uint64(0)


def block_of(nodes: int) -> tuple[int, ...]:
    """The `block` for graphs of a number of nodes."""
    return (0,) * min(words_of(nodes), 4)


if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]

    def block_rise(rows, word, a, b, c, e, block):
        """Pairs that become far less those that no longer are, in the words from `word` on."""
        words = rows.shape[1] // 3
        rise = 0
        for k in range(int(word), int(word) + len(block)):
            near, far, once = (
                {u: int(rows[u, part * words + k]) for u in (a, b, c, e)} for part in range(3)
            )
            for hub, other_hub, end, other_end in ((a, c, b, e), (b, e, a, c)):
                p, q = near[hub] & ~near[other_hub], near[other_hub] & ~near[hub]
                rise += (p & once[end] | q & once[other_end]).bit_count()
                rise -= (p & far[other_end] | q & far[end]).bit_count()
        return rise

else:

    @intrinsic
    def block_rise(  # pragma: no cover (compiled)
        _typing_context, rows, word, a, b, c, e, block
    ):
        """Pairs that become far less those that no longer are, in the words from `word` on.

        In vector instructions: LLVM by itself takes such a sum word by word.
        """
        number = ir.IntType(64)
        vector = ir.VectorType(number, block.count)

        def generate(context, builder, signature, arguments):
            table, word, *nodes, _ = arguments
            table = context.make_array(signature.args[0])(context, builder, table)
            words = number(block.count)
            if block.count == 4:
                words = builder.udiv(cgutils.unpack_tuple(builder, table.shape)[1], number(3))

            def sets_of(node):
                row = builder.mul(node, builder.mul(words, number(3)))
                sets = []
                for part in range(3):
                    at = builder.add(builder.add(row, word), builder.mul(words, number(part)))
                    pointer = builder.gep(table.data, [at])
                    sets.append(builder.load(builder.bitcast(pointer, vector.as_pointer())))
                    sets[-1].align = 8
                return sets

            hubs_and_ends = [sets_of(node) for node in nodes]
            return _sum_of(builder, vector, _rises(builder, vector, *hubs_and_ends))

        return types.int64(rows, word, a, b, c, e, block), generate


def _rises(builder, vector, a, b, c, e):  # pragma: no cover (compiled)
    """Instructions for the rise of each word, from the near, far and once sets of the nodes."""
    name = f"llvm.ctpop.v{vector.count}i64"
    kind = ir.FunctionType(vector, [vector])
    popcounts = cgutils.get_or_insert_function(builder.module, kind, name)

    def size_of_both(p, one, q, other):
        both = builder.or_(builder.and_(p, one), builder.and_(q, other))
        return builder.call(popcounts, [both])

    rises = ir.Constant(vector, None)
    for hub, other_hub, end, other_end in ((a, c, b, e), (b, e, a, c)):
        p = builder.and_(hub[0], builder.not_(other_hub[0]))
        q = builder.and_(other_hub[0], builder.not_(hub[0]))
        rises = builder.add(rises, size_of_both(p, end[2], q, other_end[2]))
        rises = builder.sub(rises, size_of_both(p, other_end[1], q, end[1]))
    return rises


def _sum_of(builder, vector, values):  # pragma: no cover (compiled)
    """Instructions for the sum of the words of a vector."""
    total = builder.extract_element(values, ir.IntType(32)(0))
    for word in range(1, vector.count):
        total = builder.add(total, builder.extract_element(values, ir.IntType(32)(word)))
    return total


@numba.njit(cache=True, nogil=True)
def least_rise(rows, a, b, c, e, block):
    """Lower bound of the rise in far pairs; nodes are uint64, here and below."""
    rise = block_rise(rows, NO_WORD, a, b, c, e, block)
    if len(block) == 4:
        for word in range(4, rows.shape[1] // 3, 4):
            rise += block_rise(rows, np.uint64(word), a, b, c, e, block)
    return rise


@numba.njit(cache=True, nogil=True)
def within(rows, part, u, v):
    """1 where a set of `u` holds `v`, else 0; the set begins at the word `part`."""
    return rows[u, part + (v >> SIX)] >> (v & LOW_SIX) & ONE


@numba.njit(cache=True, nogil=True)
def lone(rows, u, v):
    """1 where no walk of two edges joins the neighbours `u` and `v`, else 0."""
    shared = NO_WORD
    for word in range(rows.shape[1] // 3):
        shared += popcount(rows[u, word] & rows[v, word])
    return np.uint64(shared == 2)  # themselves


@numba.njit(cache=True, nogil=True)
def rise_above_least(rows, a, b, c, e):
    """Rise in far pairs less its lower bound; at least 0.

    Pairs of hubs, or of ends, stay as they are and were counted as coming near, twice; so
    were pairs that get an edge, and they do come near, once. Pairs that lose their edge are
    far unless some walk joins them before or after, and were not counted.
    """
    far = np.uint64(rows.shape[1] // 3)
    rise = within(rows, far, a, e) + within(rows, far, c, b)
    rise += (within(rows, far, a, c) + within(rows, far, b, e)) << ONE
    joined = within(rows, NO_WORD, a, c) | within(rows, NO_WORD, b, e)
    return np.int64(rise + (lone(rows, a, b) + lone(rows, c, e)) * (ONE - joined))
