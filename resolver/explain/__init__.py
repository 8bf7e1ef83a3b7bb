"""Explaining an answer: the chain of trust as data, from the production validator's own evidence. Pure.

Rooms: `report` (Resolution → a JSON-ready document), `sentences` (the failing link in one sentence, who can mend it).
"""
