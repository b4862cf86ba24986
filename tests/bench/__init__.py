"""What lasa costs beside its peers, measured in one run on one machine; nothing here passes or fails.

    python -m tests.bench [--quick] [--rounds N] [--only ROW] [--json PATH]

A row is one piece of work, done by several contestants: lasa, and what one would use instead. The modules:
harness.py runs rows in interleaved rounds, every contestant in a fresh process (worker.py); peers.py holds the other
ends, unmeasured; report.py prints and writes JSON; each of the other modules defines the rows of one group.
"""
