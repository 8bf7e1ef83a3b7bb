"""Hostile authorities against Akashi and the installed peers, side by side, in one run: `python -m bench.resilience`.

How. In a network namespace of its own, `world` serves the attacks of `tests/hostile` on port 53 of 127.66.0.0/15: one
process for those who attack, one for the root and the honest zones, so that an attacker's work does not slow down what
other clients wait for. For each attack every resolver is started afresh; then

* `cost`: its clients ask 40 attacking questions, in two seconds, all resolvers at once, and wait up to 6 s for the
  answers. What comes to the authorities is counted by source address; processor time is the kernel's
  (`bench.accounting`), less what the resolver uses in as long a time when nobody asks it.
* `others`: one resolver after the other: another client asks names of an honest signed zone, first in calm, then while an
  attacker asks 20 attacking questions a second. Where a median more than doubled this is done again, up to three times in
  all, and the least slowdown stands: what else the machine does comes and goes, what the attack does comes again.

`table` writes docs/RESILIENCE.md and docs/resilience.json from what was measured.

Limitations: loopback has no delay, so a resolver that asks much is not punished by round trips. Times are those of a
machine that does other things as well; counts of packets are exact.
"""
