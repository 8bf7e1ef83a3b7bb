"""Negative trust anchors in the supervisor: their life, the authorities asked about it, and the control API."""
