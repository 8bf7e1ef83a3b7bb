"""What is owed to which client: DNS cookies, rates by address prefix and by response, the shortest replies.

Pure: time is a value, addresses are packed octets. `resolver.server.gate` and `resolver.server.service` apply it.
"""
