"""What DNS looks like on the wire: names, types, RRsets, reading and writing messages. No decisions are taken here.

Rooms: `name` (domain names as bytes), `types` (numbers), `rdata` (where names sit in RDATA; DNSSEC records taken apart),
`rrset`, `edns`, `message`, `reader` (bytes → Message), `composer` (Message parts → bytes), `text` (presentation format,
the only file that imports dnspython) and `limits` (every limit of the product, each with its reason).
"""
