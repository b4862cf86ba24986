"""Connections that raise: links, TLS, dialling, listening, pools, buffers, patterns. The floor under every protocol."""

from __future__ import annotations

__all__: list[str] = []
