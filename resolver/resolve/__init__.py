"""Resolution: one question from cache, iteration and validation to an answer for clients. Pure.

Rooms: `resolve` (the whole of it), `fetch` (a sub-resolution: data unjudged), `links` (one owner name of an alias chain),
`local` (names that never leave the house), `errors` (reasons and findings → Extended DNS Errors).
"""
