"""Timepoints and groups compared: specimens, patients, and when it is more than chance."""

from immunescape.compare.cohorts import comparison_table
from immunescape.compare.params import CompareParams
from immunescape.compare.patients import patient_table
from immunescape.compare.specimens import specimen_table

__all__ = ["CompareParams", "comparison_table", "patient_table", "specimen_table"]
