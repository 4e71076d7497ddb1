"""Text that came from data or from another package, made safe to show: a terminal obeys nothing in it."""

from __future__ import annotations

import unicodedata

# What a terminal obeys instead of showing it: control characters, halves of characters, separators of lines.
_COMMANDS = ("Cc", "Cs", "Zl", "Zp")
# What turns the direction of the text around it.
_TURNS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

# Longer words of an error are cut off: a whole traceback may be among them.
_MOST_WORDS = 400

# Of text in quotes, so much is shown.
_LETTERS_SHOWN = 60


def is_whole(text: str) -> bool:
    r"""Return whether UTF-8 can hold a text: not where JSON or an array holds half of a character, such as \ud800."""
    return not any(unicodedata.category(character) == "Cs" for character in text)


def printable(text: str) -> str:
    r"""Return text from a file or the command line as a terminal may show it: what it would obey is spelled out.

    Examples
    --------
    >>> print(printable("\x1b[2J größe"))
    \x1b[2J größe
    """
    if text.isprintable():
        return text
    return "".join(_spelled_out(character) for character in text)


def printable_lines(text: str) -> str:
    """Return lines of text as a terminal may show them; `printable` spells out the ends of lines as well."""
    return "\n".join(map(printable, text.split("\n")))


def quoted(text: str) -> str:
    """Return text in quotes; of a long one the beginning."""
    return repr(text) if len(text) <= _LETTERS_SHOWN else f"{text[:_LETTERS_SHOWN]!r}..."


def words(error: BaseException) -> str:
    r"""Return what an error of another package says, in one line that is safe to show.

    Its class comes first, unless it is an ImportError, which is plain enough, and is alone where it says nothing.

    Examples
    --------
    >>> words(RuntimeError("two\nlines")), words(ImportError("no module")), words(MemoryError())
    ('RuntimeError: two lines', 'no module', 'MemoryError')
    """
    kind = type(error).__name__
    try:
        said = printable(" ".join(str(error).split()))
    except Exception:  # noqa: BLE001 - its own text fails
        said = ""
    if len(said) > _MOST_WORDS:
        said = f"{said[:_MOST_WORDS]} [...]"
    if not said:
        return kind
    return said if isinstance(error, ImportError) else f"{kind}: {said}"


def _spelled_out(character: str) -> str:
    if unicodedata.category(character) in _COMMANDS or character in _TURNS:
        return character.encode("unicode_escape").decode("ascii")
    return character
