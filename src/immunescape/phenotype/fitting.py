"""How a gate is found: which cells are asked, in which order, and how far it could move."""

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from immunescape.phenotype.asking import Search
from immunescape.phenotype.gates import TOGETHER, Gate
from immunescape.phenotype.pooling import Group, Slidemate, as_group, comparable
from immunescape.phenotype.populations import Threshold
from immunescape.phenotype.ranges import gate_range
from immunescape.phenotype.specs import GateParams, GateSpec, Parent

__all__ = ["fit_gate"]

_MANY_MISSED = 0.1


def fit_gate(
    values: Group | npt.ArrayLike,
    control: Group | npt.ArrayLike | None,
    spec: GateSpec,
    statistic: str,
    params: GateParams | None = None,
    *,
    parent: Parent | None = None,
    others: Sequence[Slidemate] = (),
    shared_by: str = "patient",
    seed: int = 0,
) -> Gate:
    """Find the threshold of a marker for the cells of one parent.

    A fixed gate is what the study says. Otherwise cells are asked in this order, until some hold
    two populations:

    - slides that share a gate: the parent's cells of all of them, the parent's cells of this
      slide, then, as a positive control, the other cells of all of them and of this slide;
    - else: the parent's cells of this slide, its other cells, then the parent's and the other
      cells of the patient's or batch's other slides;

    then the value that the study gives for this case; and only then the gate is missing. Cells in
    which the method finds no second population are searched for a gap above the negative cells
    (``tail``) before they are given up, because positive cells may be few.

    Where the parent's or the control's two populations have no valley between them, the tail of
    the negative cells (unspecific stain, light of neighbours) fills it. Then parent and control
    are described together, by one tail and one positive population that differ in number only, if
    that is the better description; see `immunescape.phenotype.together`. The threshold is where
    a cell is as likely positive as negative, so that it lies the higher, the fewer are positive.

    Cells of all slides together that prove to be a tail also overrule a slide's own threshold if
    no valley lies there.

    Only slides whose dim cells are as bright as those of this one are asked (see
    `immunescape.phenotype.pooling.comparable`), and a shared threshold that does not part this
    slide's own two populations gives way to their own.

    Where the control holds two populations further apart than those of the parent, it also
    decides whether the parent's are a negative and a positive one: the parent's upper population
    must lie within two standard deviations of the control's positive one and nearer to it than to
    the negative one, and its lower population must be negative under the control. So the light
    that negative tumour cells receive from positive neighbours is not taken for tumour cells
    that are positive themselves.

    Parameters
    ----------
    values
        Intensities of the parent's cells, ``(n,)``; NaN is left out. May be empty. A `Group`
        has positions as well, and only then the gate has a range.
    control
        Intensities of the slide's other cells; None where there are none, as for ``all``.
    spec
        What the study sets for the marker.
    statistic
        Column that the intensities come from.
    params
        The automatic method's settings.
    parent
        Cells that the gate decides for; the parent of the spec if not given.
    others
        The patient's or batch's other slides, in the same statistic.
    shared_by
        ``patient`` or ``batch``: what the slides have in common.
    seed
        Seed of the range.

    Returns
    -------
    gate
        With a control gate no cell of the parent may be positive: that is a count of 0. Its range
        comes from the cells that the threshold comes from.
    """
    params = params or GateParams()
    parent = parent or spec.parent
    base = Gate(spec.marker, parent, statistic, spec.method, "missing", None)
    if spec.method == "fixed":
        known = "file" if spec.source == "file" else "fixed"
        return _given(base, spec, _beyond(spec, values, control), source=known)
    here = Slidemate(as_group(values), None if control is None else as_group(control))
    kept = comparable(here, others, params.min_cells)
    note = _left_out(len(others) - len(kept), len(others), shared_by)
    search = Search(spec, params, parent, here, kept, shared_by)
    found = search.shared() if kept and params.share != "slide" else search.alone()
    notes = [*search.notes, *note]
    if found is not None:
        source, best = found
        assert isinstance(best.result, Threshold)
        key = zlib.crc32(f"{spec.marker}@{parent}".encode())
        if best.together is not None:
            whose = search.other if source.endswith(f":{parent}") else parent
            notes.append(f"{TOGETHER} the {whose} cells, for lack of a valley")
        span = gate_range(
            best.groups, best.chain, params.bootstrap_draws, (seed, key),
            beside=best.beside, together=best.together,
        )  # fmt: skip
        low = high = None
        if span is not None:
            low, high = min(span[0], best.result.value), max(span[1], best.result.value)
            if span[2] > _MANY_MISSED:
                notes.append(f"{100 * span[2]:.0f} % of the bootstrap draws show no gate")
        return replace(
            base, method=best.method, source=source, threshold=best.result.value,
            gate_low=low, gate_high=high, confirmed=spec.confirmed, note="; ".join(notes),
        )  # fmt: skip
    if spec.value is not None:
        return _given(base, spec, "; ".join([*notes, "value given by the study"]))
    return replace(base, note="; ".join(notes))


def _given(base: Gate, spec: GateSpec, note: str = "", source: str = "fixed") -> Gate:
    """Return the gate at the value that a person gave."""
    return replace(
        base, method="fixed", source=source, threshold=spec.value, note=note,
        gate_low=spec.gate_low, gate_high=spec.gate_high,
        confirmed=spec.confirmed or spec.source == "study",
    )  # fmt: skip


def _beyond(
    spec: GateSpec, own: Group | npt.ArrayLike, control: Group | npt.ArrayLike | None
) -> str:
    """Tell of a given value that parts no cells of the slide, as one in other units does."""
    seen = np.concatenate([as_group(v).values for v in (own, control) if v is not None])
    seen = seen[np.isfinite(seen)]
    assert spec.value is not None
    if not len(seen) or seen.min() <= spec.value <= seen.max():
        return ""
    side = "above" if spec.value > seen.max() else "below"
    return f"the threshold lies {side} every cell of the slide"


def _left_out(count: int, of: int, name: str) -> list[str]:
    if not count:
        return []
    return [
        f"{count} of {of} other slides of the {name} are not asked: their dim cells are not as "
        "bright as here, stain or exposure differ"
    ]
