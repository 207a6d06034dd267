"""What each cell is: gates make markers positive, rules make phenotypes of them."""

from immunescape.phenotype.calling import Calls, call_phenotypes
from immunescape.phenotype.gates import Gate, fit_gate, gate_table, gate_warnings, in_parent
from immunescape.phenotype.gating import (
    gate_by_parent,
    gate_lineage,
    markers_by_parent,
    spec_warnings,
    statistic_of,
)
from immunescape.phenotype.methods import (
    Fixed,
    GaussianMixture,
    Method,
    NoThreshold,
    Otsu,
    Populations,
    Tail,
    Threshold,
)
from immunescape.phenotype.rules import DEFAULT_RULES, PHENOTYPES, Rule
from immunescape.phenotype.specs import PARENTS, GateParams, GateSpec, parse_gate

__all__ = [
    "DEFAULT_RULES",
    "PARENTS",
    "PHENOTYPES",
    "Calls",
    "Fixed",
    "Gate",
    "GateParams",
    "GateSpec",
    "GaussianMixture",
    "Method",
    "NoThreshold",
    "Otsu",
    "Populations",
    "Rule",
    "Tail",
    "Threshold",
    "call_phenotypes",
    "fit_gate",
    "gate_by_parent",
    "gate_lineage",
    "gate_table",
    "gate_warnings",
    "in_parent",
    "markers_by_parent",
    "parse_gate",
    "spec_warnings",
    "statistic_of",
]
