"""What the printed lines of an example can be asked for."""

import re


def numbers(pattern, text):
    """All numbers that the groups of a pattern find."""
    found = [
        match if isinstance(match, tuple) else (match,) for match in re.findall(pattern, text)
    ]
    assert found, f"{pattern!r} is not in the output"
    return [float(number) for match in found for number in match]


def close_estimates(pattern, tolerance):
    """Whether pairs of an estimated and a true number lie close to each other."""

    def check(text):
        values = numbers(pattern, text)
        pairs = zip(values[::2], values[1::2], strict=True)
        return all(abs(estimated - true) < tolerance for estimated, true in pairs)

    return check


def rising(pattern):
    """Whether the numbers of the output rise."""
    return lambda text: (found := numbers(pattern, text)) == sorted(found) and found[0] < found[-1]


def falling(pattern):
    """Whether the numbers of the output fall."""
    return lambda text: rising(pattern)("\n".join(reversed(text.splitlines())))


def has(*parts):
    """Whether the output has these texts."""
    return lambda text: all(part in text for part in parts)
