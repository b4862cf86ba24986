"""The bench's own arithmetic, and one row through the real processes."""

from __future__ import annotations

from dataclasses import replace

from tests.bench.harness import Comparison, Contestant, Figures, Job, Row, RowResult, run_row
from tests.bench.report import Ratio, as_json, as_table, is_met, ratio_of
from tests.bench.rows import ROWS


def no_work(job: Job) -> Figures:
    raise NotImplementedError


ROW = Row(
    name="work",
    title="some work",
    figures={"cpu_us": "CPU µs"},
    contestants=(Contestant("mine", no_work, 10), Contestant("theirs", no_work, 10)),
    comparisons=(Comparison("mine", "theirs", "≤ 0.5"),),
)


def result_of(mine: list[float | None], theirs: list[float | None]) -> RowResult:
    rounds = {
        name: [None if value is None else {"cpu_us": value} for value in values]
        for name, values in (("mine", mine), ("theirs", theirs))
    }
    return RowResult(ROW, counts={"mine": 10, "theirs": 10}, rounds=rounds)


def test_a_ratio_compares_each_round_with_itself() -> None:
    result = result_of([1, 4, 3], [2, 8, 5])
    assert ratio_of(result, ROW.comparisons[0]) == Ratio(0.5, 0.5, 0.6)


def test_a_round_that_one_contestant_missed_is_left_out_of_the_ratio() -> None:
    result = result_of([1, None, 3], [2, 8, None])
    assert ratio_of(result, ROW.comparisons[0]) == Ratio(0.5, 0.5, 0.5)


def test_a_missing_peer_is_shown_and_fails_nothing() -> None:
    result = result_of([1, 2], [None, None])
    result.problems["theirs"] = "not installed: pip install theirs"
    assert ratio_of(result, ROW.comparisons[0]) is None
    assert "not installed: pip install theirs" in as_table(result)
    assert as_json([result], {})["rows"][0]["contestants"][1]["median"] is None


def test_a_figure_may_have_a_target_of_its_own() -> None:
    comparison = Comparison("mine", "", "≤ 3.5")
    result = result_of([1, 4, None, 3], [2, 8, 5, 4])
    assert ratio_of(result, comparison) == Ratio(3, 1, 4)
    result.row = replace(ROW, comparisons=(comparison,))
    line = as_table(result).splitlines()[-1]
    assert line.split() == ["mine,", "CPU", "µs", "3.00", "1.00-4.00", "≤", "3.5", "yes"]


def test_a_target_is_met_on_its_own_side() -> None:
    assert is_met(0.5, "≤ 0.5")
    assert not is_met(0.51, "≤ 0.5")
    assert is_met(0.9, "≥ 0.8")
    assert is_met(0.9, "about 1") is None
    assert is_met(0.9, "") is None


def test_every_comparison_names_contestants_and_figures_of_its_row() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        names = {contestant.name for contestant in row.contestants}
        assert len(names) == len(row.contestants)
        for comparison in row.comparisons:
            assert {comparison.of, comparison.to or comparison.of} <= names
            assert not comparison.figure or comparison.figure in row.figures


def test_a_row_runs_its_contestants_in_processes_of_their_own() -> None:
    (row,) = (row for row in ROWS if row.name == "spawn")
    short = replace(row, contestants=tuple(replace(one, count=50) for one in row.contestants))
    result = run_row(short, 2, quick=False, note=lambda text: None)
    assert result.problems == {}
    for rounds in result.rounds.values():
        assert [set(figures or ()) for figures in rounds] == [{"cpu_us", "wall_us"}] * 2
