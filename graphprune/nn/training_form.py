"""The form in which a pruned model trains."""

from torch import nn

from graphprune.nn.compaction import compact, compaction_report


def trainable(masked: nn.Module) -> nn.Module:
    """The form in which a masked model trains fastest, to the same weights but for rounding.

    Compact layers train on compiled kernels where their masks have uniform blocks, as those of
    regular graphs have; other masks stay masks.

    Args:
        masked: As `prune` returns it.

    Returns:
        A new compact model, or the masked one itself.
    """
    small = compact(masked)
    uniform = all(row.groups for row in compaction_report(small))
    return small if uniform else masked
