"""What is to be done: one piece of work a slide, and the groups of slides that share gates."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunescape import __version__
from immunescape.errors import ImmunescapeError
from immunescape.io import open_slide
from immunescape.io.geojson import read_annotations
from immunescape.io.labels import read_imported_labels
from immunescape.panel import require_nuclear
from immunescape.pipeline import Inputs, parse_sweep
from immunescape.pipeline.control import read_control
from immunescape.pipeline.given import CORRECTIONS
from immunescape.pipeline.named_files import with_model_found
from immunescape.pipeline.slide_panel import panel_of
from immunescape.pipeline.sweep import check_swept
from immunescape.study import Study, override_study, study_toml

if TYPE_CHECKING:
    from immunescape.samples import Sample

__all__ = [
    "SLIDES",
    "Group",
    "Work",
    "groups_of",
    "look_at",
    "shard_of",
    "study_of",
    "work_on",
]

SLIDES = "slides"
"""Folder of a cohort's output that holds one folder a sample."""

_GATED_BY = ("gate", "rule", "gating", "tumour", "quality", "sensitivity", "seed")
"""What slides must have in common to share their gates."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """One slide of a cohort, as a worker gets it.

    Parameters
    ----------
    sample
        Its row of the sheet.
    inputs
        Its files.
    study
        Everything that decides its numbers.
    out
        Folder of the cohort.
    key
        Changes with the parameters and with the size or time of any input: work whose key was
        finished is not looked at again.
    sweeps
        Parameters to vary, as they were written.
    csv
        Whether the cells are written as CSV.
    overwrite
        Whether everything is made again.
    notes
        What was noticed while the study was read.
    scratch
        Folder for the tiles of slides that are under way; by default beside their results.
    """

    sample: "Sample"
    inputs: Inputs
    study: Study
    out: Path
    key: str
    sweeps: tuple[str, ...] = ()
    csv: bool = False
    overwrite: bool = False
    notes: tuple[str, ...] = ()
    scratch: Path | None = None

    @property
    def name(self) -> str:
        """The name of its sample and of its folder."""
        return self.sample.sample_id

    @property
    def folder(self) -> Path:
        """Where its result goes."""
        return self.out / SLIDES / self.name


@dataclass(frozen=True, eq=False)
class Group:
    """Slides whose gates are found together.

    Parameters
    ----------
    kind
        ``patient`` or ``batch``.
    name
        Which one.
    members
        Its slides, in the order of the sheet.
    settings
        Hash of what decides gates; slides of one patient with other settings are another group.
    """

    kind: str
    name: str
    members: tuple[Work, ...]
    settings: str

    @property
    def key(self) -> str:
        """Name for files about it, safe everywhere."""
        return _digest([self.kind, self.name, self.settings])[:16]


def study_of(sample: "Sample", base: Study) -> Study:
    """Return the study of a sample: the cohort's, with what its own file and the sheet say.

    Raises
    ------
    StudyError
        If its file cannot be understood.
    """
    # the inputs that a study names are those of one slide
    study = dataclasses.replace(base, input=())
    if sample.study is not None:
        study = override_study(study, sample.study)
    if sample.site:
        study = dataclasses.replace(
            study, slide=dataclasses.replace(study.slide, site=sample.site)
        )  # fmt: skip
    return study


def look_at(sample: "Sample", base: Study, sweeps: Sequence[str] = ()) -> tuple[str, list[str]]:
    """Open the headers of a sample's files.

    Parameters
    ----------
    sample
        A row of the sheet whose slide exists.
    base
        Study of the cohort.
    sweeps
        Parameters to vary.

    Returns
    -------
    str
        Name of the slide; empty if it cannot be opened.
    list of str
        What is wrong, one line each.
    """
    wrong: list[str] = []
    study = base
    if sample.study is None or sample.study.exists():
        try:
            study = study_of(sample, base)
        except ImmunescapeError as error:
            wrong.append(_line(error))
    options = study.slide
    try:
        slide = open_slide(
            sample.slide,
            pixel_size_um=options.pixel_size_um,
            channel_names=options.channel_names or None,
            scene=options.scene,
        )
    except ImmunescapeError as error:
        return "", [*wrong, _line(error)]
    labels = sample.labels
    try:
        panel, _ = panel_of(slide, study)
        if not labels:
            require_nuclear(panel, slide.name)
        check_swept(tuple(parse_sweep(text, study) for text in sweeps), panel, slide.name)
    except ImmunescapeError as error:
        wrong.append(_line(error))
    if len(labels) > 2:
        wrong.append("labels names more than two files; give cells, or nuclei and cells")
    elif labels and all(path.exists() for path in labels):
        try:
            pair = (labels[0], labels[1]) if len(labels) == 2 else labels[0]
            read_imported_labels(pair, slide, are=options.labels_are, check_pixels=False)
        except ImmunescapeError as error:
            wrong.append(_line(error))
    if sample.control is not None and sample.control.exists():
        try:
            read_control(sample.control)
        except ImmunescapeError as error:
            wrong.append(_line(error))
    if sample.annotations is not None and sample.annotations.exists():
        try:
            read_annotations(
                sample.annotations, pixel_size_um=slide.pixel_size_um, slide_name=slide.name,
                shape=slide.shape,
            )  # fmt: skip
        except ImmunescapeError as error:
            wrong.append(_line(error))
    return slide.name, wrong


def work_on(
    sample: "Sample",
    base: Study,
    out: Path,
    *,
    study_file: Path | None = None,
    sweeps: tuple[str, ...] = (),
    csv: bool = False,
    overwrite: bool = False,
    notes: tuple[str, ...] = (),
    scratch: Path | None = None,
) -> Work:
    """Return what is to be done for a sample; see `Work`."""
    inputs = Inputs(
        slide=sample.slide, annotations=sample.annotations, labels=sample.labels,
        calls=sample.calls, control=sample.control, edits=sample.edits,
        study=sample.study or study_file,
    )  # fmt: skip
    study = with_model_found(inputs, study_of(sample, base))
    files = [sample.slide, sample.annotations, *sample.labels, sample.calls]
    model = Path(study.segment.model).expanduser()
    files += [model] if model.is_file() else []
    files += [] if sample.control is None else [read_control(sample.control).file]
    told = [
        __version__, study_toml(study), [_seen(path) for path in files], sweeps, csv,
        _corrections(sample.edits or out / SLIDES / sample.sample_id / CORRECTIONS),
    ]  # fmt: skip
    return Work(
        sample=sample, inputs=inputs, study=study, out=out, key=_digest(told), sweeps=sweeps,
        csv=csv, overwrite=overwrite, notes=notes, scratch=scratch,
    )  # fmt: skip


def groups_of(works: Iterable[Work]) -> tuple[Group, ...]:
    """Return the groups that share gates, in the order of the sheet.

    Gates by slide are found in groups too: of one patient, for slides that have none.
    """
    found: dict[tuple[str, str, str], list[Work]] = {}
    for work in works:
        kind = "batch" if work.study.gating.share == "batch" else "patient"
        name = work.sample.batch if kind == "batch" else work.sample.patient
        plain = [_plain(getattr(work.study, what)) for what in _GATED_BY]
        found.setdefault((kind, name, _digest(plain)), []).append(work)
    return tuple(
        Group(kind, name, tuple(members), settings)
        for (kind, name, settings), members in found.items()
    )


def shard_of(groups: Sequence[Group], shard: int, of: int) -> tuple[tuple[Work, ...], ...]:
    """Return what one of several machines does, by the sheet alone.

    Parameters
    ----------
    groups
        All groups.
    shard, of
        Number of the machine, from 1, and how many there are.

    Returns
    -------
    tuple
        For each group, in order, its members that are done here: all of them, some or none. A
        group stays whole unless it is larger than an equal share of all slides. Every slide
        belongs to exactly one shard.
    """
    share = -(-sum(len(group.members) for group in groups) // of)
    loads = [0] * of
    mine: list[set[str]] = [set() for _ in groups]
    largest_first = sorted(range(len(groups)), key=lambda k: (-len(groups[k].members), k))
    for k in largest_first:
        members = groups[k].members
        parts = [members] if len(members) <= share else [(work,) for work in members]
        for part in parts:
            lightest = loads.index(min(loads))
            loads[lightest] += len(part)
            if lightest == shard - 1:
                mine[k].update(work.name for work in part)
    return tuple(
        tuple(work for work in group.members if work.name in names)
        for group, names in zip(groups, mine, strict=True)
    )


def _seen(path: Path | None) -> list[Any]:
    """Return what tells that a file was changed, without reading it."""
    if path is None:
        return []
    if path.is_file():
        stat = path.stat()
        return [path.name, stat.st_size, stat.st_mtime_ns]
    inside = [Path(root, name).stat() for root, _, names in os.walk(path) for name in names]
    latest = max((stat.st_mtime_ns for stat in inside), default=0)
    return [path.name, len(inside), sum(stat.st_size for stat in inside), latest]


def _corrections(path: Path) -> str:
    """Return the hash of a file of corrections; empty where there is no row."""
    data = path.read_bytes() if path.is_file() else b""
    return hashlib.sha256(data).hexdigest() if data.count(b"\n") > 1 else ""


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
