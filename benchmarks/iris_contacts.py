"""Print contacts on real melanoma beside those that the R package IrisSpatialFeatures published.

Run ``python benchmarks/iris_contacts.py`` with the real data beside the repository. Gates and
regions are the published ones; contacts are found with the default parameters.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.real_data import DATA
from tests.spatial.real_fields import iris_table


def main():
    if DATA is None:
        raise SystemExit("the real data are absent")
    table = iris_table()
    print(table.to_string(float_format="%.1f"))
    print(f"median difference {table['difference_%'].abs().median():.1f} %")


if __name__ == "__main__":
    main()
