"""Resolution: one question from cache, iteration and validation to an answer for clients. Pure.

Rooms: `resolve` (the whole of it), `fetch` (a sub-resolution: data unjudged), `links` (one owner name of an alias chain),
`synthesis` (answers made from cached denials, RFC 8198),
`local` (names that never leave the house),
`stale` (expired data when authorities fail, RFC 8767), `errors` (reasons and findings → Extended DNS Errors).
"""
