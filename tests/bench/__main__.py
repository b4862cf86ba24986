"""``python -m tests.bench``: run the rows, print the table, write the JSON."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Final

from tests.bench.harness import run_row
from tests.bench.report import as_json, as_table, circumstances
from tests.bench.rows import ROWS

ROUNDS: Final = 5
QUICK_ROUNDS: Final = 2


def main() -> None:
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure lasa beside its peers.")
    parser.add_argument("--quick", action="store_true", help="a minute of small counts, to see that all works")
    parser.add_argument("--rounds", type=int, help=f"rounds per row ({ROUNDS}; quick: {QUICK_ROUNDS})")
    parser.add_argument(
        "--only", action="append", metavar="ROW", help=f"may be repeated; or a group: {', '.join(names)}"
    )
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="PATH", help="default: bench.json")
    options = parser.parse_args()
    chosen = [row for row in ROWS if not options.only or any(_is_in(row.name, part) for part in options.only)]
    if not chosen:
        parser.error(f"no such row; there are {', '.join(names)}")
    rounds = max(1, options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS))

    about = circumstances() | {"rounds": rounds, "quick": options.quick}
    machine, versions = about["machine"], about["versions"]
    print(f"{about['date']}  {machine['cpu']}, {machine['cores']} cores, load {machine['load_average'][0]:.2f}")
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    print(f"medians of {rounds} interleaved rounds; a ratio is the median of the rounds' own ratios\n")
    began_s = time.monotonic()
    results = []
    for row in chosen:
        results.append(run_row(row, rounds, quick=options.quick, note=_note))
        _note("")
        print(as_table(results[-1]), flush=True)
    about["took_s"] = round(time.monotonic() - began_s, 1)
    options.json.write_text(json.dumps(as_json(results, about), indent=1, ensure_ascii=False) + "\n")
    print(f"{about['took_s']:.0f} s; written to {options.json}")


def _is_in(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}-")


def _note(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
