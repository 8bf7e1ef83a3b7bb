"""Trust points and NTAs as plain data, for the way from the supervisor to its workers. RDATA and names are hexadecimal."""

from typing import Any, TypeAlias

from trust.anchors import Nta, TrustPoint, TrustPoints

Document: TypeAlias = dict[str, Any]


def encode_trust(points: TrustPoints) -> Document:
    """Everything a `TrustPoints` holds."""
    return {
        "generation": points.generation,
        "points": [
            {
                "name": point.name.hex(),
                "ds": [ds.hex() for ds in point.ds],
                "dnskeys": [key.hex() for key in point.dnskeys],
            }
            for point in points.points.values()
        ],
        "ntas": [{"name": nta.name.hex(), "text": nta.text, "expires": nta.expires_wall} for nta in points.ntas.values()],
    }


def decode_trust(document: Document) -> TrustPoints:
    """The reverse of `encode_trust`."""
    unhex = bytes.fromhex
    return TrustPoints(
        [
            TrustPoint(unhex(p["name"]), [unhex(ds) for ds in p["ds"]], [unhex(key) for key in p["dnskeys"]])
            for p in document["points"]
        ],
        [Nta(unhex(nta["name"]), nta["text"], nta["expires"]) for nta in document["ntas"]],
        document["generation"],
    )
