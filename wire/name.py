"""Domain names as bytes.

A `Name` is the uncompressed wire form, lower-cased: length octet, label, …, zero octet (`b"\\x03www\\x02jp\\x00"`).
Equality, hashing and dictionary look-up are then those of `bytes`. Lower-casing a whole wire name is safe, since a
length octet (≤ 63) is never an ASCII capital letter (65 … 90). Where the case must be echoed (the question of a client)
the caller keeps the original bytes beside the `Name`.

RFC 1034 §3.1, RFC 1035 §3.1, RFC 4034 §6.1 (canonical order), RFC 4343 (case).
"""

from typing import Final, TypeAlias

Name: TypeAlias = bytes

ROOT: Final[Name] = b"\0"


def parent(name: Name) -> Name:
    """The name without its leftmost label. The parent of the root is the root."""
    return name[name[0] + 1 :] or ROOT


def labels(name: Name) -> list[bytes]:
    """The labels from left to right, without the root's empty one."""
    out: list[bytes] = []
    pos = 0
    while length := name[pos]:
        end = pos + length + 1
        out.append(name[pos + 1 : end])
        pos = end
    return out


def count_labels(name: Name) -> int:
    """Number of labels without the root's empty one (RFC 4034 §3.1.3 counts so too, but leaves out a leading `*`)."""
    count = pos = 0
    while length := name[pos]:
        count += 1
        pos += length + 1
    return count


def is_subdomain(name: Name, ancestor: Name) -> bool:
    """Whether `name` is `ancestor` or lies below it."""
    if not name.endswith(ancestor):
        return False
    # The tail must begin at a label: b"\x03a\x01b" ends with b"\x01b" without being below it.
    pos = 0
    extra = len(name) - len(ancestor)
    while pos < extra:
        pos += name[pos] + 1
    return pos == extra


def is_strict_subdomain(name: Name, ancestor: Name) -> bool:
    """Whether `name` lies below `ancestor` and is not the same name."""
    return len(name) > len(ancestor) and is_subdomain(name, ancestor)


def suffix(name: Name, label_count: int) -> Name:
    """The ancestor-or-self of `name` with `label_count` labels; `name` itself when it has no more than that."""
    pos = 0
    for _ in range(count_labels(name) - label_count):
        pos += name[pos] + 1
    return name[pos:]


def ancestors(name: Name) -> list[Name]:
    """`name`, its parent, …, the root."""
    out = [name]
    while name != ROOT:
        name = name[name[0] + 1 :]
        out.append(name)
    return out


def common_ancestor(left: Name, right: Name) -> Name:
    """The longest name that is ancestor-or-self of both."""
    # Whichever is longer cannot be the common tail.
    while left != right:
        if len(left) >= len(right):
            left = left[left[0] + 1 :]
        else:
            right = right[right[0] + 1 :]
    return left


def wildcard(closest_encloser: Name) -> Name:
    """`*.<closest encloser>`: the source of synthesis (RFC 4592 §3.3.1)."""
    return b"\x01*" + closest_encloser


def is_wildcard(name: Name) -> bool:
    """Whether the leftmost label is the asterisk label (RFC 4592 §2.1.1)."""
    return name.startswith(b"\x01*")


def canonical_key(name: Name) -> tuple[bytes, ...]:
    """Sort key of the canonical order: labels from right to left as octet strings (RFC 4034 §6.1)."""
    out = labels(name)
    out.reverse()
    return tuple(out)


def between(owner: Name, name: Name, next_name: Name) -> bool:
    """Whether `name` lies strictly after `owner` and strictly before `next_name` in canonical order, the order being a
    ring: the last NSEC of a zone points back at the apex (RFC 4034 §4.1.1).
    """
    low, mid, high = canonical_key(owner), canonical_key(name), canonical_key(next_name)
    return low < mid < high if low < high else mid > low or mid < high


def replace_suffix(name: Name, old: Name, new: Name) -> Name | None:
    """DNAME substitution (RFC 6672 §2.2): `name` with its tail `old` replaced by `new`; None when it grows over 255."""
    out = name[: len(name) - len(old)] + new
    return out if len(out) <= 255 else None
