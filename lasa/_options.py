"""Options are declared once: kind, range, unit, default, other names, and a line for the manual.

    class ClientOptions(TypedDict, total=False):
        pool_size: Annotated[int, Opt(default=100, least=1)]
        \"\"\"Connections to one server, in use and idle.\"\"\"

A call takes ``**options: Unpack[ClientOptions]``: type checkers know its options then, and editors show the string
below a key. ``Checker(ClientOptions)`` checks what the call was given, and has a hint for a misspelt name. The tables
of the manual are made of the same lines, by ``python -m tests.manual``. What users build themselves may be a dataclass,
whose fields declare options likewise.

A module that declares options has no ``from __future__ import annotations``, since the annotations are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from math import inf
from typing import Any, Final, get_args

from lasa._values import integer, kind_of, number

__all__ = ["LEAST_S", "NUMBERS_ALONE", "Checker", "Opt", "WrongKind", "declared", "joined"]

Kind = Callable[[Any], Any]

LEAST_S: Final = 1e-9  # of a time to wait; less is none
_NUMBERS: Final = (int, float)


@dataclass(frozen=True, slots=True, eq=False)
class Opt:
    """What the annotation of an option does not say.

    Attributes:
        unit: of a number: "s", "ms", "bytes".
        default: what counts unless the option is given; ``unset`` says it in words where no value does.
        least, below: the range of a number, below 2**53 unless it says so.
        kind: returns the value as it is used, None for what is of another kind. By default the annotation is looked
            at: float, int or bool; anything else is not checked here.
        read: like ``kind``, but raises an error of its own.
        types: whether a value of another kind is a TypeError, and no ValueError.
        means: what the checked value is called, where that is not the option's own name.
        elsewhere: what other libraries call it.
        parts: keys of the mapping that the option takes.
        hint: what is added to the error about a wrong value.
    """

    unit: str = ""
    _: KW_ONLY
    default: Any = None
    unset: str = ""
    least: float = -inf
    below: float = 2**53  # all integers below are floats, too
    kind: Kind | None = None
    read: Kind | None = None
    types: bool = False
    means: str = ""
    elsewhere: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    hint: str = ""


class WrongKind(TypeError):
    """The value of an option is of another kind. ``args`` are name and value: Lua calls the types by other names."""

    def __str__(self) -> str:
        name, value = self.args
        return f'bad "{name}" option type: {kind_of(value)}'


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


KINDS: Final[Mapping[Any, Kind]] = {float: number, int: integer, bool: _flag}


def _of_no_text(read: Kind) -> Kind:
    return lambda value: read(value) if isinstance(value, _NUMBERS) else None


# For a Checker of numbers that no text stands for.
NUMBERS_ALONE: Final[Mapping[Any, Kind]] = {kind: _of_no_text(read) for kind, read in KINDS.items()}


class Checker:
    """What one or several calls take."""

    def __init__(self, options: type, *, known: type | None = None, kinds: Mapping[Any, Kind] = KINDS) -> None:
        """Options of the TypedDict or dataclass ``options``.

        Args:
            known: has all names that a hint may tell; by default ``options``.
            kinds: how values are read, by what the annotations say.
        """
        self._options = options
        self._known = known or options
        self._kinds = kinds

    @cached_property
    def _entries(self) -> dict[str, tuple[Opt, Kind | None, bool]]:
        entries = {}
        for name, (type_, opt) in declared(self._options).items():
            types = get_args(type_) or (type_,)
            kind = next((read for kind, read in self._kinds.items() if kind in types), None)
            entries[name] = opt, opt.kind or kind, type(None) in types
        return entries

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """What counts where an option is not given, by name."""
        return {name: opt.default for name, (opt, _, _) in self._entries.items()}

    def check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values as they are used, by what they mean.

        Raises:
            ValueError: ``unknown option "NAME", did you mean "OTHER"?``, ``bad "NAME" option value: V``.
            TypeError: ``bad "NAME" option type: T``. Others, where an option has a reader of its own.
        """
        checked: dict[str, Any] = {}
        entries = self._entries
        for name, value in given.items():
            if name not in entries:
                raise self.unknown(name)
            opt, kind, takes_none = entries[name]
            if value is None and takes_none:
                found = None
            elif opt.read is not None:
                found = opt.read(value)
            elif kind is None:
                found = value
            else:
                found = kind(value)
                if found is None:
                    raise self.wrong(name, value, is_kind=False)
                # A 0 may be what is left of -0.5.
                if isinstance(found, _NUMBERS) and not opt.least <= (found or number(value) or 0) < opt.below:
                    raise self.wrong(name, value, is_kind=True)
            checked[opt.means or name] = found
        return checked

    def take(self, given: dict[str, Any]) -> dict[str, Any]:
        """Take the options declared here out of ``given``, and return them as check() does. Raises: likewise."""
        return self.check({name: given.pop(name) for name in self._entries if name in given})

    def refuse_unknown(self, names: Iterable[object]) -> None:
        """Let pass names that are declared. Raises: ValueError: ``unknown option "NAME", did you mean "OTHER"?``."""
        for name in names:
            if name not in self._entries:
                raise self.unknown(name)

    def wrong(self, name: str, value: object, *, is_kind: bool) -> Exception:
        """Return the error about a value that an option cannot have.

        Args:
            is_kind: whether it is of the right kind, and out of range.
        """
        opt, kind, _ = self._entries[name]
        if opt.types and not is_kind:
            return WrongKind(name, value)
        expected = ", True or False expected" if kind is _flag else ""
        return ValueError(f'bad "{name}" option value: {value!r}{expected}{"" if is_kind else opt.hint}')

    def unknown(self, name: object) -> ValueError:
        """Return the error about an option that there is none."""
        return ValueError(f'unknown option "{name}"{self.hint(str(name))}')

    def hint(self, name: str) -> str:
        """Return what is added to the error about an unknown name, "" if nothing is near."""
        known = declared(self._known)
        for option, (_, opt) in known.items():
            if name in opt.elsewhere:
                return f', did you mean "{option}"?'
            if name in opt.parts:
                return f', did you mean {option}={{"{name}": ...}}?'
        from difflib import get_close_matches  # for those who mistype only

        near = get_close_matches(name, known, 1, 0.7)
        return f', did you mean "{near[0]}"?' if near else ""


def declared(options: type) -> dict[str, tuple[Any, Opt]]:
    """Return the type and the Opt of each option that a TypedDict or a dataclass declares, by name."""
    return {
        name: (annotation.__origin__, annotation.__metadata__[0])
        for name, annotation in options.__annotations__.items()
        if hasattr(annotation, "__metadata__")
    }


def joined(options: Mapping[str, Any] | None, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a mapping and of keywords; those of the mapping go before.

    Raises:
        TypeError: "bad options: mapping expected, got T".
    """
    if options is None:
        return dict(keywords)
    if not isinstance(options, Mapping):
        raise TypeError(f"bad options: mapping expected, got {kind_of(options)}")
    return {**keywords, **options}
