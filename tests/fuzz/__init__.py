"""Untrusted octets and texts at random, at every door: `python -m tests.fuzz`, `make fuzz`.

`engine` makes inputs worse and watches what they cost; `targets` are the doors: each takes octets, and raises when what
must hold does not. A short run of each is part of the tests (`test_fuzz.py`).
"""
