"""The compiled fast path on the CPU: whole networks on planes, direct convolutions."""
