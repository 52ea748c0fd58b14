"""A local estimate of how many tokens a text costs, for plans, budgets and replies that nobody measured."""

from __future__ import annotations

import re

_PIECE = re.compile(r"[A-Za-z]+|\d+|[^\W\d_A-Za-z]|\n+|[^\S\n]+|[^\w\s]+|_+")
_LETTERS_PER_TOKEN = 7
_DIGITS_PER_TOKEN = 3
_SIGNS_PER_TOKEN = 2
_SPACES_PER_TOKEN = 16


def estimate_tokens(text: str) -> int:
    """Returns about how many tokens `text` has: words, digits, signs and white space are counted apart.

    An estimate, and always to be called one: providers cut differently, and some add a few tokens a message.
    """
    return sum(_cost(piece.group()) for piece in _PIECE.finditer(text))


def _cost(piece: str) -> int:
    first = piece[0]
    if first.isspace():
        return 0 if piece == " " else -(-len(piece) // _SPACES_PER_TOKEN)
    if not first.isascii():
        return 1
    if first.isalpha():
        return -(-len(piece) // _LETTERS_PER_TOKEN)
    return -(-len(piece) // (_DIGITS_PER_TOKEN if first.isdigit() else _SIGNS_PER_TOKEN))
