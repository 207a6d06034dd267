"""What the workbench costs a person: each part prints its rows, one a figure.

    python benchmarks/gui.py [--cells 1000000] [--pixels 20000] [--json FILE] [PART ...]

Each part runs by itself too, and says there what it measures.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from gui_gates import gate_rows
from gui_layers import Row, layer_rows

Part = Callable[[Path, int, int], Iterator[Row]]

PARTS: dict[str, Part] = {
    "layers": lambda folder, pixels, cells: layer_rows(folder, pixels, cells),
    "gates": lambda folder, pixels, cells: gate_rows(folder, cells),
}
"""Given a folder to write into, the edge of a slide in pixels and a number of cells."""


def main() -> None:
    """Print the rows of the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--pixels", type=int, default=20_000)
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if unknown := [part for part in given.parts if part not in PARTS]:
        parser.error(f"unknown part {unknown[0]}; give some of {', '.join(PARTS)}")
    rows = []
    for part in given.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            for what, seconds, remark in PARTS[part](Path(folder), given.pixels, given.cells):
                rows.append({"part": part, "what": what, "seconds": seconds, "remark": remark})
                print(f"{part:8} {what:50} {seconds:8.3f} s  {remark}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
