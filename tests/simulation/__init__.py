"""A day of virtual time: a mini-Internet to which things happen, clients that ask all day, and an oracle.

Rooms: `internet` (zones, servers, what they publish), `fortunes` (what happens to them), `oracle` (which answers are right
at a moment), `day` (the clock that runs it all), `sizes` (octets that a memory really takes).

`python -m tests.simulation --days N --seed S` runs it for long; `test_day.py` for a few virtual hours.
"""
