"""No loop over sockets and no peer, however fast, holds up the others of a hub."""
