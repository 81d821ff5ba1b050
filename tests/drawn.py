"""What every picture must pass: its size, and that its texts neither meet nor leave it."""

import matplotlib.image
import numpy as np
from matplotlib import _pylab_helpers
from matplotlib.text import Text


def check_picture(draw, path, monkeypatch):
    """Draw to this path and look at what came of it."""
    boxes = {}
    draw_text = Text.draw

    def record(self, renderer):
        draw_text(self, renderer)
        if self.get_visible() and self.get_text().strip():
            boxes[self] = Text.get_window_extent(self, renderer).extents

    monkeypatch.setattr(Text, "draw", record)
    draw(path)
    height, width, _ = matplotlib.image.imread(path).shape
    assert 400 <= height <= 2400
    assert 600 <= width <= 1800
    assert not _pylab_helpers.Gcf.figs
    assert len(boxes) > 1
    texts, (left, low, right, high) = list(boxes), np.array(list(boxes.values())).T
    meet = (left[:, None] < right) & (left < right[:, None])
    meet &= (low[:, None] < high) & (low < high[:, None])
    np.fill_diagonal(meet, val=False)
    assert not [(texts[a], texts[b]) for a, b in np.argwhere(meet)]
    assert not [text for text in boxes if "$" in text.get_text() and text.get_parse_math()]
    inside = (left >= 0) & (right <= width) & (low >= 0) & (high <= height)
    assert not [text for text, fits in zip(texts, inside, strict=True) if not fits]
