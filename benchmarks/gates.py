"""How far automatic gates lie from the best threshold on simulated fields.

Fields are measured on their true labels and split by their true phenotypes, so that nothing but
the gate can be wrong. The best threshold of a slide makes the fewest errors on it; the regret is
what the gate adds to them, in percent of the cells. A patient is one field a timepoint.

    python benchmarks/gates.py --seeds 5
"""

import argparse
import sys

import numpy as np
import pandas as pd

from immunescape.measure import measure_cells, split_rims
from immunescape.panel import Panel, Stain
from immunescape.phenotype import GateParams, GateSpec, Group, Slidemate, fit_gate
from immunescape.simulate import FieldParams, simulate_field

FIRST_SEED = 2000
TIMEPOINTS = ("baseline", "response", "relapse")
MARKERS = (
    ("DAPI", "dapi", "nucleus"), ("CD8", "cd8", "membrane"), ("PD-L1", "pdl1", "membrane"),
    ("S100", "s100", "cytoplasm"), ("SOX10", "sox10", "nucleus"),
)  # fmt: skip
PANEL = Panel(
    tuple(
        Stain(channel=c, marker=m, compartment=k, role="nuclear" if m == "dapi" else "marker")
        for c, m, k in MARKERS
    )
)
GATES = (
    ("cd8", "all", "cd8_membrane_unshared"), ("sox10", "all", "sox10_nucleus_mean"),
    ("s100", "all", "s100_cytoplasm_mean"), ("pdl1", "tumour", "pdl1_membrane_unshared"),
    ("pdl1", "non_tumour", "pdl1_membrane_unshared"), ("pdl1", "tumour", "pdl1_membrane_mean"),
)  # fmt: skip


def measured(scenario: str, seed: int, gain: tuple[float, ...]) -> pd.DataFrame:
    """Return the cells of a field with what is true of them."""
    sides = (3, 1, 2, 3, 0)[seed % 5]
    field = simulate_field(FieldParams(nest_sides=sides), scenario, FIRST_SEED + seed, "g", gain)
    cells, _ = split_rims(measure_cells(field.slide, field.nuclei, field.cells, PANEL))
    truth = field.truth.cells.set_index("label").drop(columns=["x_um", "y_um"])
    return cells.frame.join(truth.add_prefix("true_"))


def mate(cells: pd.DataFrame, parent: str, statistic: str) -> Slidemate:
    """Return the parent's cells and the others."""
    values, points = cells[statistic].to_numpy(float), cells[["x_um", "y_um"]].to_numpy()
    if parent == "all":
        return Slidemate(Group(values, points))
    own = (cells["true_phenotype"] == "tumour").to_numpy() == (parent == "tumour")
    return Slidemate(Group(values[own], points[own]), Group(values[~own], points[~own]))


def least_errors(values: np.ndarray, positive: np.ndarray) -> int:
    """Return how many cells the best threshold calls wrongly."""
    truth = positive[np.argsort(values)]
    missed = np.concatenate([[0], np.cumsum(truth)])
    over = (~truth).sum() - np.concatenate([[0], np.cumsum(~truth)])
    return int((missed + over).min())


def judged(slides: dict[str, pd.DataFrame], method: str, share: str) -> list[dict]:
    """Gate every slide, with the others of its patient, and compare with the truth."""
    rows = []
    params = GateParams(method=method, share=share, bootstrap_draws=0)
    for marker, parent, statistic in GATES:
        mates = {name: mate(cells, parent, statistic) for name, cells in slides.items()}
        for name, cells in slides.items():
            others = [other for key, other in mates.items() if key != name]
            here, spec = mates[name], GateSpec(marker, parent, method)
            gate = fit_gate(here.own, here.control, spec, statistic, params, others=others)
            tumour = (cells["true_phenotype"] == "tumour").to_numpy()
            own = np.full(len(cells), True) if parent == "all" else tumour == (parent == "tumour")
            values = cells[statistic].to_numpy(float)[own]
            positive = cells[f"true_{marker}_positive"].to_numpy(bool)[own]
            least = least_errors(values, positive)
            row = {
                "gate": f"{marker}@{parent} {statistic.rpartition('_')[2]}",
                "scenario": name.partition(" ")[0], "method": method, "share": share,
                "best errs %": 100 * least / len(values), "found": gate.threshold is not None,
            }  # fmt: skip
            if gate.threshold is not None:
                calls = values > gate.threshold
                row["regret %"] = 100 * (np.sum(calls != positive) - least) / len(values)
                row["positive off %"] = 100 * (calls.mean() - positive.mean())
                touching = cells["true_touching_cd8"].to_numpy(bool)[own]
                if marker == "pdl1" and touching.any():
                    off = positive[touching].mean() - calls[touching].mean()
                    row["negative touching CD8, off %"] = 100 * off
            rows.append(row)
    return rows


def main() -> int:
    """Print the regret by gate, scenario, method and sharing, and gates of failed stains."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="patients, and cold fields")
    parser.add_argument("--methods", nargs="+", default=["gmm", "otsu", "tail"])
    options = parser.parse_args()
    rows, failed = [], []
    usual = (1.0,) * 5
    cold = {f"cold {s}": measured("cold", s, usual) for s in range(options.seeds)}
    patients = [{t: measured(t, s, usual) for t in TIMEPOINTS} for s in range(options.seeds)]
    for method in options.methods:
        for share in ("slide", "patient"):
            for slides in (*patients, cold):
                rows += judged(slides, method, share)
    for scenario in (*TIMEPOINTS, "cold"):
        slide = {scenario: measured(scenario, 0, (1.0, 0.0, 0.0, 1.0, 1.0))}
        failed += [r for r in judged(slide, "gmm", "slide") if r["gate"][:4] in ("cd8@", "pdl1")]
    table = pd.DataFrame(rows).groupby(["gate", "scenario", "method", "share"]).mean()
    print(table.round(2).to_string())
    wrong = sum(r["found"] for r in failed)
    print(f"\ngates of channels that were not stained: {wrong} of {len(failed)} (bound 0)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
