"""Side-by-side measurements of Akashi and the installed peers (Unbound, BIND, Knot Resolver, PowerDNS Recursor).

Rooms:

    layout.py      where things are: addresses, folders, processors, and how big a run is
    namespace.py   a network namespace of our own, so that port 53 on loopback is free and nothing escapes
    zones/         the signed hierarchy: what it holds, and a fast signer
    authority.py   NSD, one process per level of the hierarchy, and its counters
    peers/         one writer of configuration per resolver
    process.py     starting, awaiting and ending a resolver
    accounting.py  what the kernel says a process tree used; priority.py has it run before all else
    workloads.py   the questions
    dnsperf.py     the load generator: running it, reading what it prints
    campaign.py    the interleaved run
    summary.py     medians, percentiles, ratios
    report.py      the table; plot.py the SVG; document.py docs/PERFORMANCE.md
    profiling/     where Akashi's time goes

Limitations: measures what one machine with a loopback network shows; authority and load generator share a processor.
"""
