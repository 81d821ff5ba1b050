"""Methods of pruning side by side: one network, one recipe, equal kept weights."""
