"""Reports as self-contained pages: what they share, and a page for each kind.

A page is a template that extends ``templates/base.html`` and imports ``parts.html`` (cards, checks,
tables, charts); `page` fills it. Its charts are figures of matplotlib, drawn within `drawing` in
the colours of `SCREEN`, which `inline_svg` turns into markup with tooltips; light, dark and paper
come from that one drawing. ``report.css`` and ``report.js`` serve all pages.
"""

from immunescape.report.html.drawn import (
    SCREEN,
    Drawn,
    Mark,
    drawing,
    inline_svg,
    marks_of,
)
from immunescape.report.html.page import Card, Cell, Check, Column, Table, link_to, page

__all__ = [
    "SCREEN",
    "Card",
    "Cell",
    "Check",
    "Column",
    "Drawn",
    "Mark",
    "Table",
    "drawing",
    "inline_svg",
    "link_to",
    "marks_of",
    "page",
]
