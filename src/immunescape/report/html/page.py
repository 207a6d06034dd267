"""Filling a template: every text is escaped, and nothing is loaded from elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from immunescape.report.text import NOT_FOR_DIAGNOSIS

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["Card", "Cell", "Check", "Column", "Table", "link_to", "page"]


@dataclass(frozen=True, kw_only=True)
class Card:
    """One number that is seen first.

    Parameters
    ----------
    what
        What it tells, in words.
    value
        The number with its unit, or why there is none.
    more
        Lines below it: interval, n.
    doubt
        What speaks against it.
    known
        Whether there is a number.
    """

    what: str
    value: str
    more: tuple[str, ...] = ()
    doubt: str = ""
    known: bool = True


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of what makes a result adequate, or does not."""

    state: Literal["good", "doubt", "none"]
    text: str


@dataclass(frozen=True)
class Cell:
    """A cell of a table that is read as `text` and sorted by `value`.

    Parameters
    ----------
    text
        What is read.
    value
        What it is sorted by; None sorts by the text.
    link
        Where the text leads, relative to the page; see `link_to`.
    """

    text: str
    value: float | str | None = None
    link: str = ""


@dataclass(frozen=True)
class Column:
    """Head of a column; numbers stand to the right."""

    title: str
    number: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a page.

    Parameters
    ----------
    key
        Its id on the page; letters, digits and hyphens.
    caption
        What it shows; names it for a screen reader too.
    columns
        Its heads.
    rows
        Text, or a `Cell`, a column; the first of a row heads it.
    marked
        Numbers of the rows that stand out, from 0.
    row_heads
        Whether the first column names its row.
    sorts, filters
        Whether a person can sort by a column, and show only rows that hold some words.
    """

    key: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str | Cell]]
    marked: frozenset[int] = frozenset()
    row_heads: bool = True
    sorts: bool = False
    filters: bool = False


def link_to(*parts: str) -> str:
    """Return a link to a file beside the page, or in folders below or above it.

    Parameters
    ----------
    parts
        Names of folders and of the file; ``..`` is the folder above.

    Examples
    --------
    >>> link_to("..", "patients", "P 1: a?.html")
    '../patients/P%201%3A%20a%3F.html'
    """
    return "/".join(quote(part, safe="") for part in parts)


def page(template: str, **values: Any) -> str:
    """Return a page from a template that extends ``base.html``.

    Parameters
    ----------
    template
        Its file name, in the folder ``templates``.
    values
        What it shows. Only what `inline_svg` drew is taken as markup; all else is text.
    """
    return _environment().get_template(template).render(**values).lstrip()


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("immunescape.report.html", "templates")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name, file in (("style", "report.css"), ("script", "report.js")):
        text, _, _ = loader.get_source(environment, file)
        environment.globals[name] = Markup(text)  # noqa: S704 - our own files
    environment.globals["use"] = NOT_FOR_DIAGNOSIS
    return environment
