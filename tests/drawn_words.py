"""Draws a figure and looks at its words: where they stand, and whether they can be read."""

from __future__ import annotations

import itertools
import unittest.mock

from matplotlib.text import Text

from gradstep.compare.show.pictures import canvas


def words_in(figure):
    """Draw a figure, and return its words and the rectangles that they cover, in pixels."""
    figure.set_dpi(100)
    renderer = canvas.renderer(figure)
    drawn = []
    original = Text.draw

    def noted(text, renderer):
        original(text, renderer)
        if text.get_visible() and text.get_text().strip():
            drawn.append((text.get_text(), text.get_window_extent(renderer)))

    # Asked while they are drawn: a figure also holds ticks that lie outside its axes and are not drawn.
    with unittest.mock.patch.object(Text, "draw", noted):
        figure.draw(renderer)
    return drawn


def check_words(figure):
    """Fail where words overlap or reach out of the picture."""
    words = words_in(figure)
    for text, box in words:
        inside = figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and figure.bbox.y0 <= box.y0
        assert inside and box.y1 <= figure.bbox.y1, f"{text!r} reaches out of {figure.get_label()!r}"
    for (one, first), (other, second) in itertools.combinations(words, 2):
        # Less than a pixel of two rectangles may touch.
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        up = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert across < 1 or up < 1, f"{one!r} and {other!r} overlap in {figure.get_label()!r}"
