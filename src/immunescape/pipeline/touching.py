"""Contacts of a slide, and those of its nuclei grown by other lengths."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from immunescape.blocks import Block, BlockMap, Progress, in_threads, silent
from immunescape.io.labels import LabelStore
from immunescape.segment import GrownPlane
from immunescape.spatial import find_contacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from immunescape.pipeline.measured import Measured
    from immunescape.study import Study

__all__ = ["Touching"]

_Result = TypeVar("_Result")
_GROWN_UM = (1.0, 2.0, 3.0, 5.0)


@dataclass(frozen=True, eq=False)
class Touching:
    """Pairs of cells in contact.

    Parameters
    ----------
    contacts
        A row a pair, as `find_contacts` gives them.
    growth
        The same for cells grown by other lengths, by that length in µm.
    """

    contacts: "pd.DataFrame"
    growth: "Mapping[float, pd.DataFrame]" = field(default_factory=dict)

    @classmethod
    def found(
        cls,
        measured: "Measured",
        study: "Study",
        progress: Progress = silent,
        mapper: BlockMap = in_threads,
    ) -> "Touching":
        """Find the contacts in the labels; of other growths where the study asks for them."""
        pixel = measured.pixel_size_um
        rule = study.contact
        if measured.grown:
            # growth bridges what lies between two nuclei; a gap on top would bridge it twice
            rule = dataclasses.replace(rule, gap_um=0.0)
        contacts = find_contacts(
            measured.cell_labels, pixel, rule, progress=progress, mapper=mapper
        )  # fmt: skip
        growth = {}
        for um in _lengths(measured, study):
            assert measured.nuclei is not None
            # as the cells that were measured, these end where the slide was not imaged
            cells = GrownPlane(measured.nuclei, pixel, um, measured.imaged)
            growth[um] = find_contacts(
                cells, pixel, rule, progress=progress, mapper=_named(mapper, f"grown {um:g} um")
            ).pairs  # fmt: skip
        return cls(contacts.pairs, growth)

    @classmethod
    def kept(
        cls, store: LabelStore, key: str, measured: "Measured", study: "Study"
    ) -> "Touching | None":
        """Return what an earlier run kept; None if it kept not all of it for this rule."""
        contacts = store.table("contacts", key)
        if contacts is None:
            return None
        growth = {}
        for um in _lengths(measured, study):
            pairs = store.table(_name(um), key)
            if pairs is None:  # it was not asked for other growths
                return None
            growth[um] = pairs
        return cls(contacts, growth)

    def keep(self, store: LabelStore, key: str) -> None:
        """Keep the pairs beside the labels."""
        store.put_table("contacts", self.contacts, key)
        for um, pairs in self.growth.items():
            store.put_table(_name(um), pairs, key)


def _lengths(measured: "Measured", study: "Study") -> tuple[float, ...]:
    if study.sensitivity.tables != "full" or not measured.grown:
        return ()
    return tuple(um for um in _GROWN_UM if um != study.segment.grow_um)


def _named(mapper: BlockMap, name: str) -> BlockMap:
    """Return a map whose steps are told from those of the same function on other cells."""

    def named(
        step: str, function: Callable[[Block], _Result], blocks: Sequence[Block], /
    ) -> Iterator[_Result]:
        return mapper(f"{step} {name}", function, blocks)

    return named


def _name(um: float) -> str:
    return f"contacts_grown_{um:g}_um"
