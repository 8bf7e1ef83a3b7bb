"""Tables bounded in number: the oldest entries go first, in batches."""

from itertools import islice
from typing import Any

_SHARE = 128
"""A batch is this part of the table."""


def trim(table: dict[Any, Any], limit: int) -> None:
    """Drop the oldest entries of a table that holds more than `limit`.

    A batch at a time, because what was deleted at the head of a dictionary is stepped over by whoever looks for its first
    key: to find the oldest for every single insertion costs time that grows with the table.
    """
    if len(table) > limit:
        for key in list(islice(table, limit // _SHARE + 1)):
            del table[key]
