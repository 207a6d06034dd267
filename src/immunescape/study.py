"""A study: everything that decides the numbers, as one TOML file that people can read and edit."""

import dataclasses
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import cattrs
import tomlkit
from tomlkit.items import Table

from immunescape.errors import ImmunescapeError, StudyError
from immunescape.io.output import atomic_path
from immunescape.margin import MarginParams, TissueParams, TumourParams
from immunescape.measure import MeasureParams
from immunescape.panel import Stain
from immunescape.params import help_texts, limits
from immunescape.phenotype import DEFAULT_RULES, GateParams, GateSpec, Rule
from immunescape.quality import CorrectionParams, QualityParams, SegmentationQualityParams
from immunescape.segment import SegmentParams
from immunescape.spatial import ContactParams, DensityParams, SensitivityParams, SummaryParams

__all__ = [
    "STEPS",
    "Input",
    "SlideOptions",
    "Study",
    "override_study",
    "read_study",
    "structure_step",
    "study_toml",
    "write_study",
]

STEPS: dict[str, type] = {
    "segment": SegmentParams,
    "correction": CorrectionParams,
    "measure": MeasureParams,
    "tissue": TissueParams,
    "quality": QualityParams,
    "segmentation_quality": SegmentationQualityParams,
    "gating": GateParams,
    "tumour": TumourParams,
    "margin": MarginParams,
    "contact": ContactParams,
    "density": DensityParams,
    "summary": SummaryParams,
    "sensitivity": SensitivityParams,
}
"""The parameter tables of a study, in the order of the work."""

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class SlideOptions:
    """How the slide file is read where the file itself does not say it.

    Parameters
    ----------
    pixel_size_um
        Pixel size in µm, in place of the file's.
    channel_names
        Names of the channels in order, in place of the file's.
    scene
        Name or number of the scene, where the file holds several.
    nuclear
        Channels that show the nuclei, in place of the first nuclear stain; several are combined.
    site
        Where the lesion was, such as skin or lymph_node.
    labels_are
        What a single imported label image shows.
    """

    pixel_size_um: float | None = None
    channel_names: tuple[str, ...] = ()
    scene: str | None = None
    nuclear: tuple[str, ...] = ()
    site: str = ""
    labels_are: Literal["cells", "nuclei"] = "cells"


@dataclass(frozen=True, kw_only=True)
class Input:
    """One file that a result was made from: its name without a folder, its size and hash."""

    role: Literal["slide", "annotations", "labels", "calls", "edits", "control"]
    file: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Study:
    """Everything that decides the numbers of a slide, apart from the slide itself.

    Parameters
    ----------
    seed
        Seed of everything that involves chance.
    reviewed_by
        Who looked at annotations and gates; stands beside every number.
    slide
        How the slide file is read.
    panel
        The stains; empty lets the channel names decide.
    gate
        Gates that are set by hand or by a method of their own; the others are automatic.
    rule
        Phenotype rules by priority.
    input
        Files the result was made from; only in the study of a result.
    segment, correction, measure, tissue, quality, segmentation_quality, gating, tumour, margin,
    contact, density, summary, sensitivity
        Parameters of each step.
    """

    seed: int = 0
    reviewed_by: str = ""
    slide: SlideOptions = SlideOptions()
    panel: tuple[Stain, ...] = ()
    gate: tuple[GateSpec, ...] = ()
    rule: tuple[Rule, ...] = DEFAULT_RULES
    input: tuple[Input, ...] = ()
    segment: SegmentParams = field(default_factory=SegmentParams)
    correction: CorrectionParams = field(default_factory=CorrectionParams)
    measure: MeasureParams = field(default_factory=MeasureParams)
    tissue: TissueParams = field(default_factory=TissueParams)
    quality: QualityParams = field(default_factory=QualityParams)
    segmentation_quality: SegmentationQualityParams = field(
        default_factory=SegmentationQualityParams
    )
    gating: GateParams = field(default_factory=GateParams)
    tumour: TumourParams = field(default_factory=TumourParams)
    margin: MarginParams = field(default_factory=MarginParams)
    contact: ContactParams = field(default_factory=ContactParams)
    density: DensityParams = field(default_factory=DensityParams)
    summary: SummaryParams = field(default_factory=SummaryParams)
    sensitivity: SensitivityParams = field(default_factory=SensitivityParams)


@cache
def _converter() -> cattrs.Converter:
    """Return what turns plain values into parameters; a value of another kind is refused.

    Python would read the word "no" as true and 20.9 as the whole number 20.
    """
    converter = cattrs.Converter(forbid_extra_keys=True, omit_if_default=False)
    converter.register_structure_hook(bool, lambda value, _: _truth(value))
    converter.register_structure_hook(int, lambda value, _: _whole(value))
    converter.register_structure_hook(float, lambda value, _: _number(value))
    converter.register_structure_hook_func(
        _is_choice, lambda value, kind: _choice(value, get_args(kind))
    )
    return converter


def _is_choice(kind: object) -> bool:
    origin: object = get_origin(kind)
    return origin is Literal


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise StudyError(f"{value!r} is neither true nor false; give one of the two")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise StudyError(f"{value!r} is no number; give one")
    return float(value)


def _whole(value: Any) -> int:
    number = _number(value)
    if not number.is_integer():
        raise StudyError(f"{value!r} is no whole number; give one")
    return int(value)


def _choice(value: Any, choices: tuple[Any, ...]) -> Any:
    if value not in choices:
        raise StudyError(f"{value!r} is none of {', '.join(map(str, choices))}; give one of them")
    return value


def read_study(path: Path) -> Study:
    """Read a study file.

    Raises
    ------
    StudyError
        If the file is absent, is not TOML, or holds a key or a value that means nothing here;
        the message names it.
    """
    return _structured(path, _loaded(path))


def override_study(base: Study, path: Path) -> Study:
    """Return a study with what a file says of it; what the file leaves out stays.

    Parameters
    ----------
    base
        What many slides have in common.
    path
        Study file of one of them. Its parameters go before those of the base one by one; its
        gates are added and go before; its panel, rules and inputs replace those of the base.

    Raises
    ------
    StudyError
        As `read_study`.
    """
    own = _loaded(path)
    data = _converter().unstructure(base)
    for key, value in own.items():
        if key == "gate":
            data[key] = [*data[key], *value] if isinstance(value, list) else value
        elif isinstance(value, dict) and isinstance(data.get(key), dict):
            data[key] = data[key] | value
        else:
            data[key] = value
    return _structured(path, data)


def _loaded(path: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"{path.name} does not exist; pass a study file with --study") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(
            f"{path.name} is no text that can be read; pass a study file with --study"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"{path.name} is not valid TOML: {error}") from error
    if (version := data.pop("format", _FORMAT)) != _FORMAT:
        raise StudyError(
            f"{path.name} has format {version}; this version of immunescape reads {_FORMAT}"
        )
    return data


def _structured(path: Path, data: dict[str, Any]) -> Study:
    try:
        return _converter().structure(data, Study)
    except Exception as error:
        raise StudyError(f"{path.name}: {_first_cause(error)}") from error


def structure_step(step: str, values: dict[str, Any]) -> Any:
    """Return the parameters of a step from plain values.

    Parameters
    ----------
    step
        Name of the step, one of ``STEPS``.
    values
        A value by parameter; those left out take their default.

    Raises
    ------
    StudyError
        If a name or a value means nothing there.
    """
    try:
        return _converter().structure(values, STEPS[step])
    except Exception as error:
        raise StudyError(_first_cause(error)) from error


def _first_cause(error: BaseException) -> str:
    """Turn the tree of errors of a failed conversion into one line about the first of them."""
    if isinstance(error, ImmunescapeError):
        return str(error)
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        unknown = ", ".join(sorted(error.extra_fields))
        allowed = ", ".join(f.name for f in dataclasses.fields(error.cl))
        return f"unknown key {unknown} in {error.cl.__name__}; allowed are {allowed}"
    if isinstance(error, ExceptionGroup):
        inner = error.exceptions[0]
        where = next(
            (note.name for note in getattr(inner, "__notes__", ()) if hasattr(note, "name")), ""
        )
        cause = _first_cause(inner)
        return f"{where}: {cause}" if where else cause
    return " ".join(str(error).split()) or type(error).__name__


def write_study(path: Path, study: Study) -> None:
    """Write a study with a comment on every parameter; `read_study` gives it back unchanged."""
    with atomic_path(path) as beside:
        beside.write_text(study_toml(study), encoding="utf-8")


def study_toml(study: Study) -> str:
    """Return a study as commented TOML text."""
    document = tomlkit.document()
    document.add(tomlkit.comment("A study of immunescape. For research use, not for diagnosis."))
    document.add("format", tomlkit.item(_FORMAT))
    document.add("seed", tomlkit.item(study.seed))
    document.add("reviewed_by", tomlkit.item(study.reviewed_by))
    document.add(tomlkit.nl())
    document.add("slide", _table(study.slide))
    notes = {
        "panel": "One entry a channel. role: nuclear, nuclear_unused, marker, autofluorescence "
        "or ignored; compartment: nucleus, cytoplasm, membrane or cell.",
        "gate": "Gates that are not automatic, such as marker = 'pdl1', parent = 'tumour'.",
        "rule": "Phenotypes by priority: the first rule that holds names the cell.",
        "input": "The files this result was made from.",
    }
    for name, note in notes.items():
        if entries := getattr(study, name):
            document.add(tomlkit.nl())
            document.add(tomlkit.comment(note))
            array = tomlkit.aot()
            for entry in entries:
                table = tomlkit.table()
                for key, value in _converter().unstructure(entry).items():
                    if value is not None:
                        table.add(key, value)
                array.append(table)
            document.add(name, array)
    for name in STEPS:
        document.add(name, _table(getattr(study, name)))
    return tomlkit.dumps(document)


def _table(params: Any) -> Table:
    table = tomlkit.table()
    texts = help_texts(type(params))
    ranges = limits(type(params))
    for f in dataclasses.fields(params):
        if text := texts.get(f.name):
            between = ranges.get(f.name)
            unit = f" {between.unit}" if between and between.unit else ""
            span = f" ({between.min:g} to {between.max:g}{unit})" if between else ""
            table.add(tomlkit.comment(text + span))
        value = getattr(params, f.name)
        if value is None:
            table.add(tomlkit.comment(f"{f.name} ="))
        else:
            table.add(f.name, list(value) if isinstance(value, tuple) else value)
    return table
