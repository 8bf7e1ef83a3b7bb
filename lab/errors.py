"""The one error of the lab."""


class LabError(Exception):
    """Something that was asked of the lab cannot be done; the text says why, for the operator."""
