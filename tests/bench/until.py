"""Row 4: streams cut by ``receiveuntil``, and whether the cost stays linear in the bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tests.bench.harness import MEGABYTE, Comparison, Contestant, Figures, Job, Row
from tests.bench.peers import Stream, sender
from tests.bench.streams import COUNT as BLOCKS_PER_GB
from tests.bench.streams import lasa_receiveany, measured

__all__ = ["ROWS"]

BOUNDARY: Final = "\r\n--boundary-7MA4YWxk--"
TEXT: Final = "It was the best of times, it was the worst of times, it was the age of wisdom; "

# Every byte of the fill begins the pattern again; the second also defeats a search from the pattern's end.
LATE_END: Final = "a" * 20 + "b"
MIDDLE: Final = "a" * 10 + "b" + "a" * 10


def receiveuntil(stream: Stream) -> Callable[[Job], Figures]:
    """Return the contestant that reads the sections of ``stream``."""

    def contestant(job: Job) -> Figures:
        from lasa import check, socket

        sock = check(socket.connect(job.host, job.port))
        reader: Callable[[], Any] = sock.receiveuntil(stream.end)

        def read(count: int) -> None:
            for _ in range(count):
                data, err, _ = reader()
                if err or len(data) != stream.length:
                    raise ValueError(err or f"a section of {len(data)} bytes")

        return measured(job, sock.send, read, stream=stream)

    return contestant


def cut(name: str, stream: Stream, megabytes: int) -> Contestant:
    return Contestant(name, receiveuntil(stream), megabytes * MEGABYTE // stream.section_size)


MB_SECTIONS: Final = Stream(MEGABYTE, TEXT, BOUNDARY)
KB_SECTIONS: Final = Stream(1024, TEXT, BOUNDARY)
SHORT_SECTIONS: Final = Stream(64, TEXT, BOUNDARY)
WORST: Final = Stream(MEGABYTE, "a", LATE_END)
WORST_MIDDLE: Final = Stream(MEGABYTE, "a", MIDDLE)
WORST_LONG: Final = Stream(12 * MEGABYTE, "a", LATE_END)
WORST_MIDDLE_LONG: Final = Stream(12 * MEGABYTE, "a", MIDDLE)

LINEAR: Final = "about 1"

ROWS: Final = (
    Row(
        name="until",
        title="receiveuntil; linear in the bytes is a ratio of 1 between two sizes of one case",
        figures={"cpu_us": "CPU µs/MB", "cpu_gb_s": "GB/s of CPU", "wall_gb_s": "GB/s of wall"},
        contestants=(
            Contestant("receiveany", lasa_receiveany, BLOCKS_PER_GB),
            cut("1 MB sections, 1 GB", MB_SECTIONS, 1024),
            cut("1 MB sections, 256 MB", MB_SECTIONS, 256),
            cut("1 kB sections, 256 MB", KB_SECTIONS, 256),
            cut("1 kB sections, 64 MB", KB_SECTIONS, 64),
            cut("64 B sections, 64 MB", SHORT_SECTIONS, 64),
            cut("64 B sections, 16 MB", SHORT_SECTIONS, 16),
            cut("worst aa…ab, 12 MB sections, 512 MB", WORST_LONG, 512),
            cut("worst aa…ab, 1 MB sections, 512 MB", WORST, 512),
            cut("worst aa…ab, 1 MB sections, 128 MB", WORST, 128),
            cut("worst aa…aba…a, 12 MB sections, 512 MB", WORST_MIDDLE_LONG, 512),
            cut("worst aa…aba…a, 1 MB sections, 512 MB", WORST_MIDDLE, 512),
            cut("worst aa…aba…a, 1 MB sections, 128 MB", WORST_MIDDLE, 128),
        ),
        comparisons=(
            Comparison("1 MB sections, 1 GB", "receiveany", "≥ 0.5", "cpu_gb_s"),
            Comparison("1 MB sections, 1 GB", "receiveany", "≥ 0.5", "wall_gb_s"),
            Comparison("1 MB sections, 1 GB", "1 MB sections, 256 MB", LINEAR),
            Comparison("1 kB sections, 256 MB", "1 kB sections, 64 MB", LINEAR),
            Comparison("64 B sections, 64 MB", "64 B sections, 16 MB", LINEAR),
            *(
                Comparison(f"worst {pattern}, {size}", f"worst {pattern}, {to}", LINEAR)
                for pattern in ("aa…ab", "aa…aba…a")
                for size, to in (
                    ("1 MB sections, 512 MB", "1 MB sections, 128 MB"),
                    ("12 MB sections, 512 MB", "1 MB sections, 512 MB"),
                )
            ),
        ),
        service=sender,
        quick_divisor=16,
    ),
)
