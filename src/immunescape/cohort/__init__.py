"""Many slides of many patients: the sheet, the work spread out, and what comes of it together."""

from immunescape.cohort.run import CohortOutcome, run_cohort
from immunescape.cohort.settings import CohortRun
from immunescape.cohort.status import CohortStatus, cohort_status

__all__ = ["CohortOutcome", "CohortRun", "CohortStatus", "cohort_status", "run_cohort"]
