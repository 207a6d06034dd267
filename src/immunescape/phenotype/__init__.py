"""What each cell is: gates make markers positive, rules make phenotypes of them."""

from immunescape.phenotype.calling import Calls, call_phenotypes
from immunescape.phenotype.fitting import fit_gate
from immunescape.phenotype.gate_files import GateFile, load_gates, read_gates
from immunescape.phenotype.gates import Gate, gate_table, gate_warnings, in_parent
from immunescape.phenotype.gating import (
    gate_by_parent,
    gate_lineage,
    markers_by_parent,
    spec_warnings,
    statistic_of,
)
from immunescape.phenotype.methods import Fixed, GaussianMixture, Method, Otsu, Tail
from immunescape.phenotype.pooling import Group, Pool, Slidemate
from immunescape.phenotype.populations import NoThreshold, Populations, Threshold
from immunescape.phenotype.rules import DEFAULT_RULES, PHENOTYPES, Rule
from immunescape.phenotype.specs import PARENTS, GateParams, GateSpec, find_spec, parse_gate

__all__ = [
    "DEFAULT_RULES",
    "PARENTS",
    "PHENOTYPES",
    "Calls",
    "Fixed",
    "Gate",
    "GateFile",
    "GateParams",
    "GateSpec",
    "GaussianMixture",
    "Group",
    "Method",
    "NoThreshold",
    "Otsu",
    "Pool",
    "Populations",
    "Rule",
    "Slidemate",
    "Tail",
    "Threshold",
    "call_phenotypes",
    "find_spec",
    "fit_gate",
    "gate_by_parent",
    "gate_lineage",
    "gate_table",
    "gate_warnings",
    "in_parent",
    "load_gates",
    "markers_by_parent",
    "parse_gate",
    "read_gates",
    "spec_warnings",
    "statistic_of",
]
