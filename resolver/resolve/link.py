"""A judged link of an alias chain."""

from trust.validate import Validated
from trust.vocabulary import Step


class Link:
    """One judged step. `expires`: monotonic seconds; `validated` is None when checking was disabled; `from_cache`: whether
    the verdict itself was remembered.
    """

    __slots__ = ("expires", "from_cache", "step", "validated")

    def __init__(self, step: Step, validated: Validated | None, expires: float, *, from_cache: bool = False) -> None:
        self.step = step
        self.validated = validated
        self.expires = expires
        self.from_cache = from_cache
