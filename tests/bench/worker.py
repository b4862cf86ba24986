"""The process of one contestant: ``python -m tests.bench.worker ROW CONTESTANT HOST PORT COUNT``; answers in JSON."""

from __future__ import annotations

import json
import os
import sys

from tests.bench.harness import Job, NotInstalled
from tests.bench.rows import ROWS


def main(row_name: str, contestant_name: str, host: str, port: str, count: str) -> None:
    (row,) = (row for row in ROWS if row.name == row_name)
    (contestant,) = (one for one in row.contestants if one.name == contestant_name)
    try:
        answer: dict[str, object] = {"figures": contestant.run(Job(host, int(port), int(count)))}
    except NotInstalled as error:
        answer = {"missing": str(error)}
    print(json.dumps(answer), flush=True)
    os._exit(0)  # thousands of waiting light threads need no farewell


if __name__ == "__main__":
    main(*sys.argv[1:])
