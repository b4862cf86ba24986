"""What Lua reaches of Python, one module per family of calls."""
