"""What Lua reaches of Python, one module per family of calls."""

__all__: list[str] = []
