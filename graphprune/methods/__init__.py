"""Methods of pruning, one a module, each from its paper; found by `sparse_training.methods`."""
