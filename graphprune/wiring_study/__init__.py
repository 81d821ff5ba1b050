"""Studies of what the wiring of a pruned network does to its accuracy."""
