"""The mini-Internet in a box: signed zones, one zone per fault, authoritative servers on 127.x.y.z.

Built on dnspython and cryptography alone; imports nothing of wire, trust or resolver, so that it is a second opinion on the
protocol and not an echo of our own reading of it.

For tests, three lines give a served mini-Internet:

    net = lab.internet.build(time.time(), prefix="127.60")  # about a second; signed from an hour ago, for 14 days
    with lab.server.running(net) as server:                 # in a thread; or: async with lab.server.serve(net)
        ...                                                 # net.hints(), net.anchor(), server.port

* `net.hints()`, `net.anchor()`: text for `upstream.root-hints` and `trust.anchors`; `net.anchor(name)` for any other zone.
* `net.servers()`, `net.addresses`, `net.zones`: who serves what where, and the signed zones themselves.
* `build(faults=[…])` chooses the fault zones (`[]`: none, quicker), `build(specs=…, hosts=…)` another Internet altogether
  (`lab.zones.Spec`), `build(keys=…)` shares key pairs between builds.
* `net.apply(zone, fault, now)` breaks a zone, `None` heals it; `net.resign(now)` signs everything as of another time. Then
  `server.load(net)`.
* `lab.faults.CATALOGUE`: name -> `Fault`, with `.question` (ask type A) and `.expect` (rcode, ad, any one of ede).

Tests that run side by side use different prefixes (127.1 … 127.255) or ephemeral ports (`running` without `port`).
127.0.0.1 is never one of the servers.

Where to find things, from the bottom up:

    keys       key pairs and signatures           server     sockets; `serve`, `running`
    records    zones as data, master files        directory  the files of a lab; lab.toml
    signer     NSEC and NSEC3 chains, RRSIGs      process    the life of a running lab
    steps      ways to spoil a zone               child      processes it starts
    faults     the catalogue, made of steps       daemons    NSD, Knot, BIND, PowerDNS instead of our own server
    zones      the healthy zones and hosts        control    commands to a running lab (other side: client)
    internet   everything put together            background starting and stopping a lab in the background
    lifecycle  states of keys during roll-overs   operations what people do to a zone: keys, DS, other servers
    drills     stories played step by step        errors     the one error of the lab
    denial, authority, responder                  what a server answers: proofs, sections, octets
"""
