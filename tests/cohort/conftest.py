"""Reports have their own tests; here they would take longer than all the rest."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def without_cohort_reports(without_reports):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("immunescape.cli.cohort.report_again", lambda out, warnings: ())
        yield
