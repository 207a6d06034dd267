"""Simulating one field, and one patient's three."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from immunescape.io.masks import polygons_from_mask
from immunescape.regions import Regions
from immunescape.simulate.artefacts import lay_artefacts
from immunescape.simulate.biology import decide_marks
from immunescape.simulate.camera import expose, saturated
from immunescape.simulate.chance import generator
from immunescape.simulate.masks import crop_labels, draw_labels, give_form
from immunescape.simulate.nests import lay_ground
from immunescape.simulate.placement import place_cells
from immunescape.simulate.scenarios import Scenario, scenario_named
from immunescape.simulate.settings import CHANNELS, KINDS, FieldParams
from immunescape.simulate.stains import stain_light
from immunescape.simulate.truth import Truth, tell_truth
from immunescape.slide import Slide

__all__ = ["TIMEPOINTS", "SimulatedField", "simulate_field", "simulate_patient"]

TIMEPOINTS = ("baseline", "response", "relapse")
"""Timepoints of a patient, each the name of its scenario."""


@dataclass(frozen=True, eq=False)
class SimulatedField:
    """One field: what a microscope would show, and what is true.

    Parameters
    ----------
    name
        Name of the field, also of its files.
    scenario
        Name of its scenario.
    seed
        Seed it was made from.
    site
        Where the lesion is.
    params
        Parameters it was made with.
    image
        ``(c, y, x)`` uint16 in the order of ``CHANNELS``.
    nuclei, cells
        ``(y, x)`` int32 labels 1 to n, 0 is background; a cell holds its nucleus.
    regions
        ``tumour, tissue, interface`` in µm, exact, within the frame; where there are any
        ``nerve`` and ``lymphoid``, and of the ``ARTEFACTS`` those that there are.
    truth
        Tables of what is true.
    """

    name: str
    scenario: str
    seed: int
    site: str
    params: FieldParams
    image: npt.NDArray[np.uint16]
    nuclei: npt.NDArray[np.int32]
    cells: npt.NDArray[np.int32]
    regions: Regions
    truth: Truth

    @property
    def slide(self) -> Slide:
        """The image as a slide in memory."""
        return Slide(self.name, (self.image,), CHANNELS, self.params.pixel_size_um)


def simulate_field(
    params: FieldParams,
    scenario: str | Scenario,
    seed: int,
    name: str = "field",
    stain_gain: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0),
) -> SimulatedField:
    """Simulate one field; all chance comes from the seed and the name.

    Parameters
    ----------
    params
        What the field looks like.
    scenario
        One of ``SCENARIOS`` by name, or one of one's own.
    seed
        Any non-negative integer.
    name
        Name of the field; another name gives another field.
    stain_gain
        Strength of each stain, in channel order.

    Examples
    --------
    >>> small = FieldParams(width_um=60, height_um=40)
    >>> field = simulate_field(small, "cold", seed=1)
    >>> field.image.shape, field.image.dtype.name
    ((5, 80, 120), 'uint16')
    """
    biology = scenario_named(scenario) if isinstance(scenario, str) else scenario

    def chance(step: str) -> np.random.Generator:
        return generator(seed, name, step)

    ground = lay_ground(params, chance("ground"), nodal=biology.site == "lymph_node")
    bodies = place_cells(ground, biology, params, chance("cells"))
    forms = give_form(bodies, chance("forms"))
    canvas = draw_labels(bodies, forms, params, chance("labels"))
    marks = decide_marks(bodies, canvas.cells, biology, params, chance("marks"))
    light = stain_light(bodies, forms, canvas.cells, marks, params, chance("stains"))
    spoiled = lay_artefacts(bodies, canvas, params, chance("artefacts"))
    image = expose(light, ground, np.array(stain_gain), params, chance("camera"), spoiled)
    labels, body = crop_labels(canvas, params)
    kind = np.array(KINDS, dtype=object)[bodies.kind[body]]
    phenotype = np.where(np.isin(kind, ("tumour", "cd8_t")), kind, "other")
    traits = {
        "kind": kind,
        "phenotype": phenotype,
        "s100_positive": marks.s100[body],
        "sox10_positive": marks.sox10[body],
        "cd8_positive": marks.cd8[body],
        "pdl1_positive": marks.pdl1[body],
        "pdl1_rim_share": marks.pdl1_rim_share[body],
        "encircled": marks.encircled[body],
        "pigmented": spoiled.pigmented[body],
    }
    shapes = {
        "tumour": ground.tumour, "tissue": ground.tissue, "interface": ground.interface,
        **ground.special, **spoiled.shapes,
    }  # fmt: skip
    if params.saturated_fraction > 0:
        shapes["saturated"] = polygons_from_mask(saturated(image), params.pixel_size_um)
    return SimulatedField(
        name=name,
        scenario=biology.name,
        seed=seed,
        site=biology.site,
        params=params,
        image=image,
        nuclei=labels.nuclei,
        cells=labels.cells,
        regions=Regions(shapes),
        truth=tell_truth(labels.cells, traits, ground, params),
    )


def simulate_patient(
    params: FieldParams,
    seed: int,
    name: str = "P01",
    scenarios: Sequence[str | Scenario] = TIMEPOINTS,
) -> tuple[SimulatedField, ...]:
    """Simulate the baseline, response and relapse fields of one patient.

    The three show different places: the main nest leaves the frame by one, two and three sides
    in an order that is chance, one of them has a satellite more and one a stromal island more
    than the parameters say. They were stained in one batch: one gate serves all three.

    Parameters
    ----------
    params
        What the fields look like; ``nest_sides`` is not used.
    seed
        Seed of the patient.
    name
        Patient; fields are called ``<name>_<timepoint>``.
    scenarios
        Biology of the three, one each; its name is the timepoint.
    """
    chance = generator(seed, name, "patient")
    gain = np.exp(chance.normal(0, 0.12, len(CHANNELS)))
    sides = chance.permutation([1, 2, 3])
    satellites = chance.permutation([0, 1, 0])
    islands = chance.permutation([0, 0, 1])
    fields = []
    for k, scenario in enumerate(scenarios):
        biology = scenario_named(scenario) if isinstance(scenario, str) else scenario
        drift = np.exp(chance.normal(0, 0.03, len(CHANNELS)))
        place = replace(
            params,
            nest_sides=int(sides[k]),
            satellites=params.satellites + int(satellites[k]),
            stromal_islands=params.stromal_islands + int(islands[k]),
        )
        stains = tuple(float(g) for g in gain * drift)
        fields.append(simulate_field(place, biology, seed, f"{name}_{biology.name}", stains))
    return tuple(fields)
