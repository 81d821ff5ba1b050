"""Words of 64 bits: what the kernels do with one."""

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic

ONE = np.uint64(1)
LOW_SIX_BITS = np.uint64(63)

if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]

    def popcount(word):
        """Number of set bits."""
        return int(word).bit_count()

else:

    @intrinsic
    def popcount(_typing_context, word):  # pragma: no cover (compiled)
        """Number of set bits, as one machine instruction."""

        def generate(_context, builder, _signature, arguments):
            return builder.ctpop(arguments[0])

        return types.uint64(types.uint64), generate
