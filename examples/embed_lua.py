"""Lua inside a Python program: rules for prices that a shop's owner writes, and the program runs.

    lasa run examples/embed_lua.py [RULES.lua]

The rules see what the program hands in and no other part of Python. A call into Python may wait, as that for the rate
does; the light threads that compute other orders go on meanwhile. A mistake in the rules is told with its line.
"""

import sys
from collections.abc import Mapping
from typing import Any

import lasa
from lasa.lua import LuaError, Runtime

RULES = """
local shop = require "shop"

return function(order)
    local sum = 0
    for _, line in ipairs(order.lines) do
        sum = sum + line.count * line.price
    end
    if sum >= 100 then sum = sum * 0.9 end -- a tenth off
    return { customer = order.customer, total = sum * shop.rate(order.currency), currency = order.currency }
end
"""

RATES = {b"EUR": 1.0, b"DKK": 7.5}

ORDERS: list[dict[str, Any]] = [
    {"customer": "Ann", "currency": "EUR", "lines": [{"count": 2, "price": 10}]},
    {"customer": "Bob", "currency": "DKK", "lines": [{"count": 30, "price": 4}, {"count": 1, "price": 80}]},
    {"customer": "Eve", "currency": "EUR", "lines": [{"count": "many", "price": 1}]},
]


def rate(currency: bytes) -> float:
    """Ask for the rate, as it were by the network."""
    lasa.sleep(0.01)
    return RATES[currency]


def price(rules: Any, order: Mapping[str, Any]) -> str:
    try:
        priced = rules(order)
    except LuaError as error:
        return f"{order['customer']}: {error.message}"
    return f"{priced[b'customer'].decode()} pays {priced[b'total']:g} {priced[b'currency'].decode()}"


def main(rules_file: str | None) -> None:
    name, code = "=rules", RULES
    if rules_file is not None:
        with open(rules_file, encoding="utf-8") as file:
            name, code = f"@{rules_file}", file.read()
    with Runtime(modules={"shop": {"rate": rate}}) as runtime:
        try:
            rules = runtime.load(code, name)()  # what the chunk returns: a function
        except LuaError as error:
            sys.exit(f"the rules are of no use: {error.message}")
        threads = [lasa.thread.spawn(price, rules, order) for order in ORDERS]
        for thread in threads:
            _, line = lasa.thread.wait(thread)
            print(line)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
