"""A reader of server-sent events: it comes back by itself when the connection is lost, and asks for what it missed.

    lasa run examples/sse_reader.py http://127.0.0.1:8080/ [--count N] [--last-event-id ID]

It prints one line for each event, until there were N, the server says that there are no more (204), or Ctrl-C.
"""

import argparse
import itertools
import sys

import lasa

ATTEMPTS = 5


def main(url: str, count: int | None, last_event_id: str) -> None:
    with lasa.http.events.subscribe(url, last_event_id=last_event_id, attempts=ATTEMPTS) as source:
        try:
            for event in itertools.islice(source, count):
                print(event.id, event.event, event.data, flush=True)
        except lasa.Error as error:
            sys.exit(f"cannot read {url}: {error}, after event {source.last_event_id!r}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", metavar="URL")
    parser.add_argument("--count", type=int, metavar="N")
    parser.add_argument("--last-event-id", default="", metavar="ID")
    main(**vars(parser.parse_args()))
