"""The biology of the timepoints, by name.

The scenarios follow the direction of Zaretsky et al. (N Engl J Med 2016;375:819): on response CD8
T cells are all through the tumour and tumour cells answer them with PD-L1; at relapse CD8 T cells
stay at the invasive margin, tumour cells there are PD-L1-negative although they touch them, and
the cells beside them are not. Every figure here is ours, chosen for tests; none was measured.
"""

from dataclasses import dataclass

from immunescape.errors import ParameterError

__all__ = ["SCENARIOS", "Scenario", "scenario_named"]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """The biology of one timepoint.

    Parameters
    ----------
    name
        Name, also the timepoint's.
    cd8_per_mm2
        CD8 T cells per area in ``centre, inner_margin, outer_margin, stroma``.
    lymphocytes_per_mm2
        CD8-negative lymphocytes in the same four regions.
    macrophages_per_mm2
        Macrophages in the same four regions.
    pdl1_tumour
        Probability that a tumour cell is PD-L1-positive: touching a CD8 T cell, with one within
        30 µm, and otherwise. Three equal ones make PD-L1 independent of CD8.
    pdl1_macrophage, pdl1_stroma
        The same for macrophages and dendritic cells, and for fibroblasts.
    pdl1_lymphocyte
        Probability for CD8 T cells and other lymphocytes.
    site
        Where the lesion is, as a sample sheet says it. In a ``lymph_node`` the tissue beyond a
        narrow rim about the nests is lymphoid: the node's own, without fibroblasts.
    """

    name: str
    cd8_per_mm2: tuple[float, float, float, float]
    lymphocytes_per_mm2: tuple[float, float, float, float]
    macrophages_per_mm2: tuple[float, float, float, float]
    pdl1_tumour: tuple[float, float, float]
    pdl1_macrophage: tuple[float, float, float]
    pdl1_stroma: tuple[float, float, float]
    pdl1_lymphocyte: float
    site: str = "skin"


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="baseline",
            cd8_per_mm2=(150.0, 320.0, 520.0, 220.0),
            lymphocytes_per_mm2=(40.0, 90.0, 350.0, 260.0),
            macrophages_per_mm2=(90.0, 140.0, 320.0, 220.0),
            pdl1_tumour=(0.55, 0.30, 0.06),
            pdl1_macrophage=(0.75, 0.45, 0.20),
            pdl1_stroma=(0.20, 0.08, 0.03),
            pdl1_lymphocyte=0.03,
        ),
        Scenario(
            name="response",
            cd8_per_mm2=(700.0, 850.0, 700.0, 320.0),
            lymphocytes_per_mm2=(120.0, 170.0, 420.0, 320.0),
            macrophages_per_mm2=(180.0, 220.0, 320.0, 220.0),
            pdl1_tumour=(0.86, 0.50, 0.12),
            pdl1_macrophage=(0.85, 0.60, 0.30),
            pdl1_stroma=(0.30, 0.12, 0.04),
            pdl1_lymphocyte=0.04,
        ),
        Scenario(
            name="relapse",
            cd8_per_mm2=(50.0, 170.0, 1250.0, 420.0),
            lymphocytes_per_mm2=(20.0, 60.0, 400.0, 300.0),
            macrophages_per_mm2=(80.0, 140.0, 420.0, 240.0),
            pdl1_tumour=(0.04, 0.03, 0.02),
            pdl1_macrophage=(0.88, 0.60, 0.25),
            pdl1_stroma=(0.45, 0.18, 0.05),
            pdl1_lymphocyte=0.04,
        ),
        Scenario(
            name="cold",
            cd8_per_mm2=(10.0, 20.0, 45.0, 35.0),
            lymphocytes_per_mm2=(5.0, 15.0, 60.0, 60.0),
            macrophages_per_mm2=(40.0, 60.0, 140.0, 130.0),
            pdl1_tumour=(0.06, 0.03, 0.01),
            pdl1_macrophage=(0.25, 0.15, 0.08),
            pdl1_stroma=(0.06, 0.03, 0.01),
            pdl1_lymphocyte=0.01,
        ),
        Scenario(
            name="node",
            cd8_per_mm2=(110.0, 240.0, 1700.0, 1700.0),
            lymphocytes_per_mm2=(40.0, 120.0, 12000.0, 12000.0),
            macrophages_per_mm2=(80.0, 130.0, 300.0, 300.0),
            pdl1_tumour=(0.50, 0.25, 0.05),
            pdl1_macrophage=(0.60, 0.40, 0.25),
            pdl1_stroma=(0.20, 0.08, 0.03),
            pdl1_lymphocyte=0.02,
            site="lymph_node",
        ),
    )
}
"""The scenarios by name; the first three are the timepoints of a patient, in order."""


def scenario_named(name: str) -> Scenario:
    """Return the scenario of that name.

    Raises
    ------
    ParameterError
        If there is none; the message lists those there are.
    """
    try:
        return SCENARIOS[name]
    except KeyError:
        known = ", ".join(SCENARIOS)
        raise ParameterError(f"there is no scenario {name!r}; give one of {known}") from None
