"""Record what the real nginx answers: ``python -m tests.lua.parity.record [TEXT …]``.

With words, only scripts whose name holds one of them are asked. Each is asked twice, in one nginx: an output that is
not the same both times cannot be compared with anything, and is not recorded.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.lua.parity.oracle import ask, peers, real_nginx
from tests.lua.parity.script import EXPECTED, all_scripts


def main(words: list[str]) -> int:
    """Record; returns the number of scripts that could not be."""
    failures = 0
    scripts = all_scripts()
    chosen = [script for script in scripts if not words or any(word in script.name for word in words)]
    with tempfile.TemporaryDirectory() as peers_folder, tempfile.TemporaryDirectory() as nginx_folder:
        with peers(Path(peers_folder)) as places, real_nginx(Path(nginx_folder), places) as port:
            for script in chosen:
                answers = [ask(port, script) for _ in range(2)]
                first, second = (answer.shown(script) for answer in answers)
                if first != second or (script.by_run and " 200 " not in answers[0].status):
                    print(f"{script.name}: not recorded\n  {answers[0].status}\n  {first!r}\n  {second!r}")
                    failures += 1
                    continue
                script.expected.parent.mkdir(parents=True, exist_ok=True)
                script.expected.write_bytes(first)
        if failures:
            print((Path(nginx_folder) / "error.log").read_text(errors="replace"))
    if not words:
        known = {script.expected for script in scripts}
        for path in EXPECTED.rglob("*.txt"):
            if path not in known:
                path.unlink()
    print(f"{len(chosen) - failures} recorded, {failures} not")
    return failures


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
