"""Explaining an answer: the chain of trust as data, from the production validator's own evidence. Pure.

Rooms, from the bottom up:

    texts      every sentence, in one table             denials    proofs of absence, read out in words
    terms      names of numbers, times, keys            servers    what each authority said, side by side
    evidence   what was gathered (plain data)           report     all of it as one document (docs/EXPLAIN.md)
    diagnosis  the failing link, who can mend it        svg, html  the document as a drawing and as a page
"""
