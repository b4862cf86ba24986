"""A JSON service: notes in memory, and words for what goes wrong.

    lasa run examples/json_service.py 127.0.0.1:8080
    curl -d '{"text": "buy milk"}' http://127.0.0.1:8080/notes

The first line that it prints tells the URL; Ctrl-C ends it. `lasa serve examples.json_service:handler` runs the same
handler with an access log, and Ctrl-C lets running requests finish first.
"""

import itertools
import sys
from collections.abc import Callable
from typing import Any

import lasa
from lasa.http.server import Request

notes: dict[str, dict[str, str]] = {}
numbers = itertools.count(1)


def handler(request: Request) -> Any:
    """Answer one request, in a light thread of its connection."""
    routes: dict[str, Callable[[Request], Any]]
    match request.path.split("/"):
        case ["", "notes"]:
            routes = {"GET": list_notes, "POST": add_note}
        case ["", "notes", number] if number in notes:
            routes = {"GET": lambda _: notes[number], "DELETE": lambda _: notes.pop(number)}
        case _:
            return 404, {"error": "nothing is here"}
    route = routes.get("GET" if request.method == "HEAD" else request.method)
    if route is None:
        return 405, {"allow": ", ".join(routes)}, "method not allowed\n"
    return route(request)


def list_notes(request: Request) -> Any:
    word = request.query.get("word", "")
    return [note for note in notes.values() if word in note["text"]]


def add_note(request: Request) -> Any:
    match request.json(max_bytes=65_536):  # what is no JSON gets a 400, what is larger a 413
        case {"text": str(text)}:
            number = str(next(numbers))
            notes[number] = {"number": number, "text": text}
            return 201, notes[number]
        case _:
            return 400, {"error": 'an object with a "text" expected'}


def main(address: str) -> None:
    server, err = lasa.http.server.new(address)
    if server is None:
        sys.exit(f"cannot bind to {address}: {err}")
    print(f"listening on {server.url}", flush=True)
    server.run(handler)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
