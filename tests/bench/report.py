"""What a run found: medians and ratios, as a table to read and as JSON to keep."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.bench.harness import ROOT, Comparison, Figures, RowResult

__all__ = ["Ratio", "as_json", "as_table", "circumstances", "is_met", "ratio_of"]

PACKAGES: Final = (
    *("gevent", "greenlet", "uvloop", "h11", "geventhttpclient", "aiohttp", "urllib3", "requests", "httpx"),
    *("uvicorn", "httptools", "gunicorn", "wsproto", "websockets", "lupa"),
)
PROGRAMS: Final = {
    "lasa commit": ["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
    "redis-server": ["redis-server", "--version"],
    "nginx": ["/usr/sbin/nginx", "-v"],
}
FIGURE_WIDTH: Final = 13


@dataclass(frozen=True, slots=True)
class Ratio:
    """A comparison's outcome: the median of the rounds' own ratios, and their range."""

    middle: float
    low: float
    high: float


def ratio_of(result: RowResult, comparison: Comparison) -> Ratio | None:
    """Compare round by round, so that a machine that slows down slows both; None without a round of both.

    A figure that is compared with none is its own ratio.
    """
    figure = comparison.figure or result.row.main_figure
    if not comparison.to:
        values = [one[figure] for one in result.rounds.get(comparison.of, ()) if one]
        return Ratio(median(values), min(values), max(values)) if values else None
    pairs = zip(result.rounds.get(comparison.of, ()), result.rounds.get(comparison.to, ()), strict=False)
    ratios = [one[figure] / other[figure] for one, other in pairs if one and other and other[figure]]
    return Ratio(median(ratios), min(ratios), max(ratios)) if ratios else None


def is_met(ratio: float, target: str) -> bool | None:
    """Whether the ratio is on the target's side of its number; None for a target without one."""
    sign, _, number = target.partition(" ")
    if sign == "≤":
        return ratio <= float(number)
    return ratio >= float(number) if sign == "≥" else None


def as_table(result: RowResult) -> str:
    """Return one row of the bench as text."""
    row = result.row
    title = f"{row.title}  [{row.name}]"
    if result.missing:
        return f"{title}\n    {result.missing}\n"
    main, *others = row.figures.values()
    table = [["", main, "low-high", *others]]
    for name, rounds in result.rounds.items():
        table.append([name, *_cells(result, [figures for figures in rounds if figures]), result.problems.get(name, "")])
    table.append(["", "ratio", "low-high", "target", "met"])
    for comparison in row.comparisons:
        name = f"{comparison.of} / {comparison.to}" if comparison.to else comparison.of
        if comparison.figure or not comparison.to:
            name += f", {row.figures[comparison.figure or row.main_figure]}"
        table.append([name, *_ratio_cells(ratio_of(result, comparison), comparison.target)])
    width = max(len(line[0]) for line in table) + 2
    lines = [title]
    for name, *cells in table:
        lines.append(("    " + name.ljust(width) + "".join(f"  {cell:>{FIGURE_WIDTH}}" for cell in cells)).rstrip())
    return "\n".join(lines) + "\n"


def _cells(result: RowResult, rounds: list[Figures]) -> list[str]:
    if not rounds:
        return []
    main, *others = ([figures[name] for figures in rounds] for name in result.row.figures)
    spread = f"{_digits(min(main))}-{_digits(max(main))}"
    return [_digits(median(main)), spread, *(_digits(median(values)) for values in others)]


def _ratio_cells(ratio: Ratio | None, target: str) -> list[str]:
    if ratio is None:
        return ["-", "", target]
    met = {True: "yes", False: "no", None: ""}[is_met(ratio.middle, target)]
    return [f"{ratio.middle:.2f}", f"{ratio.low:.2f}-{ratio.high:.2f}", target, met]


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def as_json(results: list[RowResult], about: dict[str, Any]) -> dict[str, Any]:
    """Return the whole run, each round's figures with it."""
    return {**about, "rows": [_row_json(result) for result in results]}


def _row_json(result: RowResult) -> dict[str, Any]:
    contestants = []
    for name, rounds in result.rounds.items():
        through = [figures for figures in rounds if figures]
        contestants.append(
            {
                "name": name,
                "operations_per_round": result.counts[name],
                "problem": result.problems.get(name, ""),
                "median": {key: median(f[key] for f in through) for key in result.row.figures} if through else None,
                "rounds": rounds,
            }
        )
    comparisons = []
    for comparison in result.row.comparisons:
        ratio = ratio_of(result, comparison)
        comparisons.append(
            {
                "of": comparison.of,
                "to": comparison.to,
                "figure": comparison.figure or result.row.main_figure,
                "ratio": ratio and ratio.middle,
                "low": ratio and ratio.low,
                "high": ratio and ratio.high,
                "target": comparison.target,
                "met": ratio and is_met(ratio.middle, comparison.target),
            }
        )
    return {
        "name": result.row.name,
        "title": result.row.title,
        "figures": result.row.figures,
        "missing": result.missing,
        "contestants": contestants,
        "comparisons": comparisons,
    }


def circumstances() -> dict[str, Any]:
    """Return when, on what machine and with which versions the run takes place."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": _cpu_model(),
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "load_average": os.getloadavg(),
        },
        "versions": {
            "python": f"{platform.python_implementation()} {sys.version.split()[0]}",
            **{name: _package_version(name) for name in PACKAGES},
            **{name: _program_version(command) for name, command in PROGRAMS.items()},
        },
    }


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


def _package_version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _program_version(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except OSError:
        return "not installed"
    words = (done.stdout + done.stderr).split()
    return next((word[2:] for word in words if word.startswith("v=")), words[-1]) if words else "unknown"
