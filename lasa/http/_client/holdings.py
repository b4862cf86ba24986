"""Which connections a client has used, so that it can close them with itself.

Connections are shared by all clients that agree on how they are made, so each belongs to those that have used it, and
the last of them to close closes it. A client that nobody holds any more cannot use anything, and does not count.
"""

from __future__ import annotations

from functools import partial
from weakref import ref

from lasa.http._wire.conduit import Conduit

__all__ = ["Holdings"]


class Holdings:
    """The connections of one client, in the pools of all OS threads that it is used in."""

    __slots__ = ("__weakref__", "_conduits", "_is_closed", "_me")

    def __init__(self) -> None:
        self._me = ref(self)
        self._conduits: set[ref[Conduit]] = set()
        self._is_closed = False

    def add(self, conduit: Conduit) -> None:
        """Note that the client uses ``conduit``. Never switches."""
        if conduit.last_owner is self._me:  # as for most requests
            return
        conduit.last_owner = self._me
        if conduit.own(self):
            self._conduits.add(ref(conduit, self._conduits.discard))
        if self._is_closed:  # while it was waiting for this one
            conduit.disown(self)

    def close(self) -> None:
        """Close the idle ones that no other client has used; those in use are closed after that. Never switches."""
        self._is_closed = True
        for reference in list(self._conduits):
            conduit = reference()
            if conduit is None:
                continue
            conduit.connection.link.call_at_home(partial(conduit.disown, self))
        self._conduits.clear()
