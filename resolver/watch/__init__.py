"""What the daemon concludes about itself from what it measured: its clock, the share of SERVFAIL, who failures concern.

Pure: time comes as a value, measurements as data; `resolver.daemon` makes them and acts on what comes out.

Rooms: `clock` (time servers' samples → is our clock right?), `baseline` (counts by the minute → usual share of SERVFAIL,
threshold, anomaly; docs/BASELINE.md), `sketch` (how many distinct clients, without knowing them), `impact` (failing zones).
"""
