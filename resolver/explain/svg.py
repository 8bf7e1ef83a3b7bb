"""The document as a drawing: one box a zone from the trust anchor down, the delegations as arrows, the answer at the foot.

State is told three times over, so that neither colour nor sharp eyes are needed: by colour, by the shape of a sign (tick in
a disc, cross in a diamond, bar in a ring) and in words; a broken link is also a broken line.

The drawing is narrow (WIDTH units) and as tall as the chain is long: it fits a phone as it is, a column on a wide screen
and a page of paper. It names no font file and no other resource. Text that comes from the network is escaped and shortened;
what was shortened is whole in a `<title>`.

Limitations: widths of text are estimated, since nothing here knows fonts; lines are shortened early rather than late.
"""

import re
from typing import Any, Final
from unicodedata import east_asian_width
from xml.sax.saxutils import escape

from resolver.explain.links import Document
from resolver.explain.texts import Words

WIDTH: Final = 400
_LEFT: Final = 12
_INNER: Final = WIDTH - 2 * _LEFT
_RAIL: Final = 44
"""Where the arrows run."""
_LINE: Final = 18
_ROW: Final = 46
"""Height that a row of keys takes."""
_KEY: Final = 174
_FULL: Final = 52
"""Letters of 12 units that a line in a box holds; `_BESIDE`: beside an arrow."""
_BESIDE: Final = 50
_MOST_KEYS: Final = 8
_MOST_DS: Final = 4
_MOST_RECORDS: Final = 4

_COLOURS: Final = {
    "secure": ("#1a6b34", "#eaf6ee"),
    "insecure": ("#855800", "#fff6dd"),
    "bogus": ("#b3261e", "#fdebe9"),
    "unknown": ("#57606a", "#f1f3f5"),
}
_SIGNS: Final = {
    "secure": '<circle r="9" fill="{c}"/><path d="M-4.5 .5 l3 3.2 l6 -7" fill="none" stroke="#fff" stroke-width="2.4"/>',
    "insecure": '<circle r="8" fill="#fff" stroke="{c}" stroke-width="2.2"/><path d="M-4 0 h8" stroke="{c}" '
    'stroke-width="2.4"/>',
    "bogus": '<path d="M0 -11 L11 0 L0 11 L-11 0 Z" fill="{c}"/><path d="M-3.6 -3.6 l7.2 7.2 m0 -7.2 l-7.2 7.2" '
    'stroke="#fff" stroke-width="2.4"/>',
    "unknown": '<rect x="-8" y="-8" width="16" height="16" rx="3" fill="#fff" stroke="{c}" stroke-width="2"/>'
    '<circle r="2" fill="{c}"/>',
}
_DASHES: Final = {"secure": "", "insecure": "2 5", "bogus": "8 6", "unknown": "2 5"}


def draw(document: Document) -> str:
    """The whole drawing: an SVG document of WIDTH units' width."""
    return _Drawing(document).whole()


class _Drawing:
    """Draws from the top down; `y` is where the next thing begins."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.words = Words(document["made"]["language"])
        self.fault = document["fault"] or {"link": "", "zone": ""}
        self.out: list[str] = []
        self.y = 10.0
        self.drawn: set[str] = set()
        self.last: str | None = None

    def whole(self) -> str:
        """Everything, inside its `<svg>`."""
        steps = self.document["steps"]
        for step in steps:
            self._zones_to(step["chain_zone"])
            self._answer_link(step)
            self._step(step)
        if not steps or self.fault["link"] in ("servers", "alias", "resolver"):
            for zone in self.document["chain"]:
                if zone["zone"] not in self.drawn:
                    self._zones_to(zone["zone"])
            self._answer_link(None)
            self._nothing()
        height = round(self.y + 10)
        name = self.document["question"]["name"]
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            f'role="img" font-family="system-ui, \'Segoe UI\', Roboto, \'DejaVu Sans\', sans-serif" font-size="12">\n'
            f"<title>{escape(self.words('page.drawing', name=name))}</title>\n"
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n' + "\n".join(self.out) + "\n</svg>\n"
        )

    # --- order ---------------------------------------------------------------------------------------------------

    def _zones_to(self, name: str | None) -> None:
        """The zones from the trust anchor to one, as far as they are not drawn yet; an alias starts a branch."""
        zones = {zone["zone"]: zone for zone in self.document["chain"]}
        path: list[Document] = []
        while name in zones and name not in self.drawn:
            path.append(zones[name])
            name = zones[name]["parent"]
        for zone in reversed(path):
            self._continue_from(zone["parent"])
            self._link_to(zone)
            self._zone(zone)
            self.drawn.add(zone["zone"])
            self.last = zone["zone"]
        if name is not None and not path:
            self._continue_from(name)

    def _continue_from(self, name: str | None) -> None:
        """A reminder of a zone drawn further up, when the arrow does not come from the box just above."""
        if name is None or name == self.last or name not in self.drawn:
            return
        self.out.append(
            f'<rect class="again" x="{_LEFT}" y="{self.y + 6}" width="{_INNER}" height="26" rx="13" fill="#fff" '
            f'stroke="#57606a" stroke-dasharray="3 3"/>'
        )
        self._text(_RAIL + 12, self.y + 23, self.words("chain.again", zone=self._name(name)), 44)
        self.y += 32
        self.last = name

    # --- zones ---------------------------------------------------------------------------------------------------

    def _zone(self, zone: Document) -> None:
        state = _state(zone["security"])
        keys = zone["dnskey"]["keys"] if zone["dnskey"] is not None else []
        shown = keys[:_MOST_KEYS]
        lines = self._zone_lines(zone, len(keys) - len(shown))
        rows = (len(shown) + 1) // 2
        height = 40 + rows * _ROW + len(lines) * _LINE + (10 if lines else 2)
        self._box(state, height, self._name(zone["zone"]), dashed=zone["inherited"])
        y = self.y + 42
        for index, key in enumerate(shown):
            self._key(key, _LEFT + 10 + (index % 2) * (_KEY + 8), y + (index // 2) * _ROW)
        y += rows * _ROW
        for line in lines:
            self._text(_LEFT + 14, y + 10, line, _FULL)
            y += _LINE
        self.y += height

    def _zone_lines(self, zone: Document, more: int) -> list[str]:
        """What stands in a zone's box below its keys."""
        lines = [f"+ {more}"] if more > 0 else []
        signature = zone["dnskey"]["signature"] if zone["dnskey"] is not None else None
        if signature is not None and signature["holds"]:
            lines.append(self.words("chain.keyset", tag=signature["tag"], left=signature["left"]))
        if zone["security"] != "secure":
            lines += _wrap(zone["text"] or zone["reason"], _FULL, 3)
        return lines

    def _key(self, key: Document, x: float, y: float) -> None:
        dead = key["revoked"] or not key["zone_key"]
        edge = "#b3261e" if dead else "#30363d"
        width = 2.2 if key["used"] else 1
        dash = ' stroke-dasharray="4 3"' if dead else ""
        self.out.append(
            f'<rect x="{x}" y="{y - 2}" width="{_KEY}" height="40" rx="5" fill="#fff" stroke="{edge}" '
            f'stroke-width="{width}"{dash}/>'
        )
        role = key["role"] if key["role"] != "none" else "DNSKEY"
        self._text(x + 9, y + 13, f"{role} {key['tag']}", 20, bold=True)
        notes = [key["algorithm_name"]]
        notes += [self.words("mark.revoked")] if key["revoked"] else []
        notes += [self.words("mark.no-zone-key")] if not key["zone_key"] else []
        self._text(x + 9, y + 29, ", ".join(notes), 26, size=11, colour="#57606a")
        if key["used"]:
            # A key that signs the key set: a small key, drawn.
            self.out.append(
                f'<g transform="translate({x + _KEY - 20} {y + 12})" fill="none" stroke="{edge}" stroke-width="1.8">'
                f'<title>{escape(self.words("mark.signs"))}</title><circle cx="-4" r="4"/>'
                f'<path d="M0 0 h9 v4 m-3 -4 v3"/></g>'
            )

    # --- links ---------------------------------------------------------------------------------------------------

    def _link_to(self, zone: Document) -> None:
        """What leads to a zone: its trust anchors, or the DS (or its absence) at the parent."""
        broken = self.fault["zone"] == zone["zone"] and self.fault["link"] in ("anchor", "keys", "ds")
        if zone["trust_point"]:
            tags = ", ".join(str(tag) for tag in dict.fromkeys(anchor["tag"] for anchor in zone["anchors"]))
            self._anchor(f"{self.words('chain.anchor')}: {tags}" if tags else self.words("chain.anchor"))
            self._arrow("bogus" if broken else _state(zone["security"]), [])
            return
        if zone["parent"] is None:
            return
        if zone["ds"] is not None:
            records = [self._ds(ds) for ds in zone["ds"]["records"][:_MOST_DS]]
            signature = zone["ds"]["signature"]
            if signature is not None:
                records.append(self._by(signature))
            lines = [part for record in records for part in _wrap(record, _BESIDE, 2)]
        elif zone["no_ds"] is not None:
            lines = [self.words("chain.no-ds", parent=self._name(zone["parent"]))]
            lines += [part for sentence in zone["no_ds"]["words"] for part in _wrap(sentence, _BESIDE, 3)][:4]
        else:
            lines = _wrap(zone["text"] or zone["reason"], _BESIDE, 3) if broken else []
        self._arrow("bogus" if broken else _state(zone["security"]), lines)

    def _ds(self, ds: Document) -> str:
        return f"DS {ds['tag']}, {ds['digest_name']}: {ds['text']}"

    def _answer_link(self, step: Document | None) -> None:
        """From a zone to what it signs; None: to no answer at all."""
        if not self.drawn:
            return
        if step is None:
            self._arrow("bogus", [])
            return
        if broken_above(self.document) and step["security"] == "bogus":
            self._arrow("unknown", [self.words("chain.above")])
            return
        told = dict.fromkeys(self._by(signature) for signature in step["signatures"] if signature["used"])
        lines = [part for one in list(told)[:2] for part in _wrap(one, _BESIDE, 2)]
        if not told and step["security"] == "bogus":
            lines = [self.words("chain.no-sig")]
        self._arrow(_state(step["security"]), lines)

    def _arrow(self, state: str, lines: list[str]) -> None:
        colour = _COLOURS[state][0]
        height = max(34, len(lines) * _LINE + 20)
        dash = f' stroke-dasharray="{_DASHES[state]}"' if _DASHES[state] else ""
        top, foot = self.y, self.y + height
        self.out.append(
            f'<path class="link {state}" d="M{_RAIL} {top} V{foot - 9}" stroke="{colour}" stroke-width="3"{dash}/>'
            f'<path d="M{_RAIL - 7} {foot - 11} L{_RAIL} {foot} L{_RAIL + 7} {foot - 11} Z" fill="{colour}"/>'
        )
        if state == "bogus":
            self._sign(state, _RAIL, top + height / 2 - 4)
        y = top + (height - len(lines) * _LINE) / 2 + 11
        for line in lines:
            self._text(_RAIL + 22, y, line, _BESIDE, colour=colour if state == "bogus" else "#24292f")
            y += _LINE
        self.y = foot

    def _anchor(self, text: str) -> None:
        """The trust anchor: a pill with an anchor."""
        self.out.append(
            f'<rect x="{_LEFT}" y="{self.y}" width="{_INNER}" height="32" rx="16" fill="#24292f"/>'
            f'<g transform="translate({_RAIL - 10} {self.y + 16})" fill="none" stroke="#fff" stroke-width="1.8">'
            f'<circle cy="-7" r="2.6"/><path d="M0 -4 V9 M-5 -1 H5 M-8 3 C-7 8 -3 9 0 9 C3 9 7 8 8 3"/></g>'
        )
        self._text(_RAIL + 12, self.y + 20, text, 44, bold=True, colour="#fff")
        self.y += 32

    # --- the answer ----------------------------------------------------------------------------------------------

    def _step(self, step: Document) -> None:
        state = _state(step["security"])
        lines = [self.words(f"kind.{step['kind']}")]
        records = step["records"]
        lines += [_data(record) for record in records[:_MOST_RECORDS]]
        lines += [f"+ {len(records) - _MOST_RECORDS}"] if len(records) > _MOST_RECORDS else []
        if step["denial"] is not None:
            lines += [part for sentence in step["denial"]["words"] for part in _wrap(sentence, _FULL, 3)][:7]
        told = [zone["text"] for zone in self.document["chain"]]
        if step["security"] not in ("secure", "unchecked") and step["text"] not in told:
            lines += _wrap(step["text"] or step["reason"], _FULL, 4)
        height = 46 + len(lines) * _LINE
        self._box(state, height, f"{step['name']} {step['type']}", rx=16)
        for index, line in enumerate(lines):
            mono = 1 <= index <= min(len(records), _MOST_RECORDS)
            self._text(_LEFT + 14, self.y + 52 + index * _LINE, line, 47 if mono else _FULL, mono=mono)
        self.y += height + 8
        self.last = None

    def _nothing(self) -> None:
        """There is no answer at all."""
        question = self.document["question"]
        lines = _wrap(self.document["answer"]["sentence"], _FULL, 6)
        height = 46 + len(lines) * _LINE
        steps = self.document["steps"]
        name = (steps[-1]["target"] if steps else None) or question["name"]
        self._box("bogus", height, f"{name} {question['type']}", rx=16, word=self.words("kind.none"))
        for index, line in enumerate(lines):
            self._text(_LEFT + 14, self.y + 52 + index * _LINE, line, _FULL)
        self.y += height + 8

    # --- pieces --------------------------------------------------------------------------------------------------

    def _box(self, state: str, height: float, title: str, *, rx: int = 6, dashed: bool = False, word: str = "") -> None:
        colour, ground = _COLOURS[state]
        dash = ' stroke-dasharray="6 4"' if dashed else ""
        self.out.append(
            f'<rect class="box {state}" x="{_LEFT}" y="{self.y}" width="{_INNER}" height="{height}" rx="{rx}" '
            f'fill="{ground}" stroke="{colour}" stroke-width="2"{dash}/>'
        )
        word = word or self.words(f"word.{'indeterminate' if state == 'unknown' else state}")
        self._text(_LEFT + 14, self.y + 24, title, 28, bold=True, size=14, mono=True)
        self._text(WIDTH - _LEFT - 34, self.y + 24, word, 14, bold=True, colour=colour, end=True)
        self._sign(state, WIDTH - _LEFT - 20, self.y + 20)

    def _sign(self, state: str, x: float, y: float) -> None:
        sign = _SIGNS[state].format(c=_COLOURS[state][0])
        self.out.append(f'<g transform="translate({x} {y})">{sign}</g>')

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        most: int,
        *,
        bold: bool = False,
        mono: bool = False,
        size: int = 12,
        colour: str = "#24292f",
        end: bool = False,
    ) -> None:
        style = f' font-size="{size}"' if size != 12 else ""
        style += ' font-weight="600"' if bold else ""
        style += " font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\"" if mono else ""
        style += ' text-anchor="end"' if end else ""
        short = shorten(text, most)
        whole = f"<title>{escape(clean(text))}</title>" if short != text else ""
        self.out.append(f'<text x="{x}" y="{y}" fill="{colour}"{style}>{whole}{escape(clean(short))}</text>')

    def _name(self, zone: str | None) -> str:
        return self.words("word.root") if zone == "." else str(zone)

    def _by(self, signature: Document) -> str:
        """A signature in one line."""
        if "tag" not in signature:
            return str(signature["text"]) or self.words("chain.no-sig")
        by = self.words("chain.by", tag=signature["tag"], signer=self._name(signature["signer"]))
        return f"RRSIG {by}, {signature['left']}"


def broken_above(document: Document) -> bool:
    """Whether the chain breaks before it reaches the answer, which then is bogus for no fault of its own."""
    fault = document["fault"]
    return fault is not None and fault["link"] in ("anchor", "ds", "keys")


def _state(security: str) -> str:
    return security if security in _COLOURS else "unknown"


def _data(record: str) -> str:
    """The type and data of a record line, without owner, TTL and class."""
    return " ".join(record.split(" ")[3:])


def shorten(text: str, most: int) -> str:
    """At most `most` columns: the middle goes, since names differ at either end; of Japanese, the end."""
    if columns(text) <= most:
        return text
    if columns(text) > len(text):
        while columns(text) >= most:
            text = text[:-1]
        return f"{text}…"
    head = (most - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def clean(text: Any) -> str:
    """Text without what XML does not allow (control characters)."""
    return "".join(letter if letter >= " " and letter not in "\x7f\ufffe\uffff" else "\ufffd" for letter in str(text))


def columns(text: str) -> int:
    """How wide a text is, in Latin letters: those of Japanese are two (UAX #11)."""
    return len(text) if text.isascii() else sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


_PIECE = re.compile(r"[^\u3000-\u9fff\uff00-\uffef]+|[\u3000-\u9fff\uff00-\uffef][\u3001\u3002]?")
"""What a line may end behind, within a word: any letter of Japanese, with the comma or full stop that follows."""


def _wrap(text: str, width: int, most: int) -> list[str]:
    """Lines of at most `width` columns, at most `most` of them; the last is shortened."""
    lines: list[str] = []
    for word in text.split():
        glue = " "
        for piece in _PIECE.findall(word):
            if lines and columns(lines[-1]) + len(glue) + columns(piece) <= width:
                lines[-1] += glue + piece
            else:
                lines.append(piece)
            glue = ""
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return lines
