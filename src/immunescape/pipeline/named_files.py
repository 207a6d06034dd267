"""The files that a study names for a slide: looked for beside the study and beside the slide."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from immunescape.errors import StudyError
from immunescape.io import fingerprint
from immunescape.segment import CELLPOSE_MODELS

if TYPE_CHECKING:
    from immunescape.pipeline.inputs import Inputs
    from immunescape.study import Input, Study

__all__ = ["places", "with_model_found", "with_named_by_study"]

_LENT = ("annotations", "labels", "calls", "edits", "control")


def with_model_found(inputs: "Inputs", study: "Study") -> "Study":
    """Return the study with the path of its own weights, which may lie beside it or the slide."""
    name = study.segment.model
    if name in ("compact", *CELLPOSE_MODELS) or Path(name).expanduser().exists():
        return study
    for folder in places(inputs):
        if (folder / name).is_file():
            segment = dataclasses.replace(study.segment, model=str(folder / name))
            return dataclasses.replace(study, segment=segment)
    return study  # loading it names what is wrong


def places(inputs: "Inputs") -> tuple[Path, ...]:
    """Return the folders in which files are looked for, in their order."""
    # a control slide lies beside the folder of the result that names it
    beside_study = () if inputs.study is None else (inputs.study.parent, inputs.study.parent.parent)
    return (*beside_study, inputs.slide.parent, Path())


def with_named_by_study(
    inputs: "Inputs", study: "Study", slide: "Input"
) -> "tuple[Inputs, list[str], Input | None]":
    """Add the files that a study names for this slide and that the caller did not give.

    What it says of corrections comes apart: several files may be meant.

    A study made from another slide lends its settings, never that slide's annotations, labels or
    calls: they would lie on this one as if they had been drawn there.
    """
    made_from = [i for i in study.input if i.role == "slide"]
    if made_from and all(
        i.file != slide.file and i.sha256 != slide.sha256 for i in made_from
    ):  # fmt: skip
        given = {role: getattr(inputs, role) for role in _LENT}
        told = [
            f"the study was made from {made_from[0].file}: its {named.role} {named.file} are not "
            f"used for {slide.file}; pass --{named.role} if there are some for this slide"
            for named in study.input
            if named.role != "slide" and not given[named.role]
        ]
        return inputs, told, None

    def look(role: str) -> tuple[Path, ...]:
        found = []
        for named in (i for i in study.input if i.role == role):
            there = [f / named.file for f in places(inputs) if (f / named.file).exists()]
            if not there:
                raise StudyError(
                    f"the study names {named.file} as {role}, which lies neither beside it nor "
                    f"beside the slide; pass --{role}"
                )
            # another file may have its name: a result writes regions too
            same = (p for p in there if fingerprint(p).sha256 == named.sha256)
            found.append(there[0] if len(there) == 1 else next(same, there[0]))
        return tuple(found)

    with_named = dataclasses.replace(
        inputs,
        annotations=inputs.annotations or next(iter(look("annotations")), None),
        calls=inputs.calls or next(iter(look("calls")), None),
        control=inputs.control or next(iter(look("control")), None),
        labels=inputs.labels or look("labels"),
    )
    return with_named, [], next((i for i in study.input if i.role == "edits"), None)
