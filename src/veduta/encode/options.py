"""Options of an encoder's URI: text to values, with an error that names the option."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from veduta.errors import EncoderError


def known(uri: str, options: Mapping[str, object], names: Collection[str]) -> None:
    """Raise EncoderError if `options` has a name that is not among `names`."""
    for name in sorted(set(options) - set(names)):
        raise EncoderError(f"The encoder '{uri}' has no option '{name}'; it has: {', '.join(sorted(names)) or 'none'}")


def whole(uri: str, name: str, value: object) -> int:
    """A positive integer."""
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if number < 1:
        raise EncoderError(f"The option {name} of the encoder '{uri}' must be a whole number above 0, got '{value}'")
    return number


def triple(uri: str, name: str, value: object) -> tuple[float, float, float]:
    """One number for all three channels, or three of them: "0.5", "0.485,0.456,0.406", or a list."""
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    try:
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3:
        raise EncoderError(f"The option {name} of the encoder '{uri}' must be 1 or 3 numbers, got '{value}'")
    return numbers[0], numbers[1], numbers[2]


def one_of(uri: str, name: str, value: object, allowed: Collection[str]) -> str:
    """One of the `allowed` words."""
    if str(value) not in allowed:
        raise EncoderError(
            f"The option {name} of the encoder '{uri}' must be one of {', '.join(allowed)}, got '{value}'"
        )
    return str(value)


def flag(uri: str, name: str, value: object) -> bool:
    """ "1"/"true" or "0"/"false"."""
    word = one_of(uri, name, str(value).lower(), ("0", "1", "false", "true"))
    return word in ("1", "true")
