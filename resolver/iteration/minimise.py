"""QNAME minimisation: how much of a name to show to a zone's servers (RFC 9156)."""

from typing import Final

from wire.limits import MINIMISE_STEPS
from wire.name import Name, count_labels, suffix

_ONE_LABEL_STEPS: Final = 4
"""Steps that add one label each; later ones share out the rest (RFC 9156 §2.3 MINIMISE_ONE_LAB)."""


def next_name(qname: Name, known: Name, steps: int) -> Name:
    """The name to ask about next.

    `known` is the deepest ancestor of `qname` that is known to exist (the cut, or an empty non-terminal below it), `steps`
    the number of minimised questions asked for this resolution so far.
    """
    if len(qname) == len(known) + qname[0] + 1:
        return qname  # one label is left
    have, total = count_labels(known), count_labels(qname)
    left = total - have
    if left <= 1 or steps >= MINIMISE_STEPS:
        return qname
    if steps < _ONE_LABEL_STEPS:
        add = 1
    else:
        add = max(1, -(-left // (MINIMISE_STEPS - steps)))
    return suffix(qname, have + add) if add < left else qname
