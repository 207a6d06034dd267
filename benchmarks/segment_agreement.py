"""How far ways to find nuclei agree with each other on real tissue in which nothing was drawn.

    python benchmarks/segment_agreement.py ../shared/data

Takes the DAPI of the lymphoid field FIHC4, for which there is a map of nuclei by inForm and none
by hand, and prints for each pair of ways, the map among them, the F1 of middles paired one to one
within 3 µm and of outlines that share half of their common area. A way that stands apart from the
others is the one to doubt.
"""

import argparse
import sys
from itertools import combinations
from pathlib import Path

from immunescape.errors import LabelsError
from segment_methods import METHODS, AbsentError, Setting
from segment_sources import pictures
from segment_table import score

WAYS = ("compact", "instanseg", "otsu + watershed")


def main() -> int:
    """Print one line a pair."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    try:
        picture = next(iter(pictures(parser.parse_args().data, "inform")))
    except LabelsError as error:
        parser.error(str(error))
    found = {"inForm's map": picture.drawn}
    for way in WAYS:
        try:
            found[way] = METHODS[way](Setting())[1](picture.image, picture.pixel_um)
        except AbsentError as reason:
            print(f"{way} left out: {reason}")
    print("| one | other | nuclei | F1 of middles | F1 of outlines |\n|---|---|---|---|---|")
    for one, other in combinations(found, 2):
        told = score(found[one], found[other], picture.pixel_um)
        both = told["drawn"] + told["found"]
        middles, outlines = (2 * told[hits] / both for hits in ("hits_middle", "hits_50"))
        counts = f"{told['drawn']}, {told['found']}"
        print(f"| {one} | {other} | {counts} | {middles:.3f} | {outlines:.3f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
