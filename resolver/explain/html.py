"""The document as a self-contained evidence page: for whoever can mend the zone (guideline 2-19), for paper, for the files.

One file: style sheet and drawing inline, no script, nothing loaded from anywhere (a Content-Security-Policy says so to the
browser, too). Every text is escaped: names and records come from the network.
"""

import re
from collections import Counter
from html import escape
from typing import Any

from resolver.explain.links import Document
from resolver.explain.style import CSS
from resolver.explain.svg import broken_above, clean, draw
from resolver.explain.terms import error_name
from resolver.explain.texts import Words

_COMMAND = re.compile(r"(akashi (?:cache|nta|trust) [^<>]*)$")
_SIGN = {"secure": "✔", "insecure": "○", "bogus": "✘"}


def page(document: Document) -> str:
    """The whole page, UTF-8."""
    return _Page(document).whole()


class _Page:
    """Makes the page of one document, part by part."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.words = Words(document["made"]["language"])

    def whole(self) -> str:
        """Everything."""
        document, words = self.document, self.words
        question, answer = document["question"], document["answer"]
        verdict = words(f"word.{answer['security']}")
        title = words("page.title", name=question["name"], type=question["type"], verdict=verdict)
        made = words("page.made", at=document["made"]["at"], by=document["made"]["by"])
        foot = words("page.foot", name=question["name"], type=question["type"])
        parts = [
            self._summary(),
            self._procedure(),
            '<div class="columns">',
            f'<section class="card drawing"><h2>{self.say("page.chain")}</h2>\n{draw(document)}</section>',
            f'<section class="card chain"><h2>{self.say("page.links")}</h2>{self._chain()}</section>',
            "</div>",
            self._answer(),
            *(self._survey(survey) for survey in document["authorities"]),
            self._looks(),
            self._trouble(),
        ]
        return (
            f'<!DOCTYPE html>\n<html lang="{words.language}">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
            f"<title>{text(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
            f"<header><h1>{text(question['name'])} {text(question['type'])} {self._tag(answer['security'])}</h1>"
            f'<p class="soft">{text(made)}</p></header>\n<main>\n'
            + "\n".join(part for part in parts if part)
            + f'\n</main>\n<footer><p class="soft">{text(foot)}</p></footer>\n</body>\n</html>\n'
        )

    # --- parts ---------------------------------------------------------------------------------------------------

    def _summary(self) -> str:
        """The verdict in a sentence, who can mend it, what to do."""
        document, answer = self.document, self.document["answer"]
        facts: list[tuple[str, str]] = []
        errors = [
            f"{each['code']} {each['name']}" + (f": {each['text']}" if each["text"] else "") for each in answer["errors"]
        ]
        if answer["who"]:
            facts.append(("page.who", text(answer["who"])))
        contacts = [
            self.words("page.contact.of", mail=contact["mail"], zone=contact["zone"])
            for contact in document["contacts"]
            if contact["mail"]
        ]
        if contacts:
            facts.append(("page.contact", "<br>".join(map(text, contacts))))
        facts.append(("col.rcode", f"<code>{text(answer['rcode'])}</code>"))
        if errors:
            facts.append(("page.errors", "<br>".join(map(text, errors))))
        if document["validity"] is not None:
            first = document["validity"]
            facts.append(
                ("page.validity", f"{text(first['covers'])}: {_whole(first['expiration'])} ({text(first['left'])})")
            )
        rows = "".join(f"<dt>{self.say(key)}</dt><dd>{value}</dd>" for key, value in facts)
        security = text(answer["security"])
        return (
            f'<section class="card verdict {security}" id="verdict"><p class="said">{text(answer["sentence"])}</p>'
            f"<dl>{rows}</dl></section>"
        )

    def _chain(self) -> str:
        fault = self.document["fault"]
        at_fault = fault["zone"] if fault is not None and fault["link"] in ("anchor", "ds", "keys") else None
        return "".join(self._zone(zone, zone["zone"] == at_fault) for zone in self.document["chain"])

    def _zone(self, zone: Document, at_fault: bool) -> str:
        words = self.words
        lines: list[str] = []
        if zone["security"] != "secure" and zone["text"]:
            lines.append(f"<strong>{text(zone['text'])}</strong>")
        for anchor in zone["anchors"]:
            kind = f"DS {anchor['digest_name']}" if anchor["kind"] == "DS" else "DNSKEY"
            lines.append(text(f"{words('chain.anchor')}: {kind} {anchor['tag']}, {anchor['text']}"))
        if zone["ds"] is not None:
            at = words("chain.ds", parent=self.zone_name(zone["parent"]))
            for ds in zone["ds"]["records"]:
                sign = _SIGN["secure"] if ds["matches"] else _SIGN["bogus"]
                what = f"{at}: {ds['tag']}, {ds['algorithm_name']}, {ds['digest_name']}: {ds['text']}\u00a0{sign}"
                lines.append(f'{text(what)}<br><code class="soft">{text(ds["digest"])}</code>')
            lines.append(self._signature(zone["ds"]["signature"], f"{zone['zone']}/DS"))
        lines += self._denial(zone["no_ds"], words("chain.no-ds", parent=self.zone_name(zone["parent"])))
        if zone["dnskey"] is not None:
            lines += [self._key(key) for key in zone["dnskey"]["keys"]]
            lines.append(self._signature(zone["dnskey"]["signature"], f"{zone['zone']}/DNSKEY"))
        if zone["servers"]:
            told = text(words("chain.told", servers=", ".join(zone["servers"])))
            lines.append(f'<span class="soft">{told}</span>')
        name = f"<code>{text(self.zone_name(zone['zone']))}</code>"
        head = f'<div class="head"><h3>{name}</h3>{self._tag(zone["security"])}</div>'
        return f'<div class="zone{" fault" if at_fault else ""}">{head}{_list(lines)}</div>'

    def _key(self, key: Document) -> str:
        words = self.words
        role = words(f"role.{key['role']}")
        marks = [words("mark.signs")] if key["used"] else []
        marks += [words("mark.revoked")] if key["revoked"] else []
        marks += [words("mark.no-zone-key")] if not key["zone_key"] else []
        notes = f" – {', '.join(marks)}" if marks else ""
        return text(f"DNSKEY {key['tag']}: {role}, {key['algorithm_name']}, flags {key['flags']}{notes}")

    def _signature(self, signature: Document | None, covers: str) -> str:
        if signature is None:
            return ""
        words = self.words
        if "tag" not in signature:
            return text(f"{words('chain.rrsig', covers=covers)}: {signature['text'] or words('chain.no-sig')}")
        by = words("chain.by", tag=signature["tag"], signer=self.zone_name(signature["signer"]))
        span = f"{_whole(signature['inception'])} – {_whole(signature['expiration'])} ({text(signature['left'])})"
        line = f"{text(words('chain.rrsig', covers=covers))} {text(by)}: {span}"
        if signature.get("holds") is False:
            line += f"&nbsp;<strong>{_SIGN['bogus']} {text(signature['text'])}</strong>"
        elif signature.get("holds"):
            line += f"&nbsp;{_SIGN['secure']}"
        return line

    def _denial(self, denial: Document | None, what: str) -> list[str]:
        if denial is None:
            return []
        inner = [text(sentence) for sentence in denial["words"]]
        inner += [f'<code class="soft">{text(record)}</code>' for record in denial["records"]]
        return [f"{text(what)}: {text(denial['text'] or denial['proof'])}{_list(inner)}"]

    def _answer(self) -> str:
        """The steps of the answer."""
        parts = []
        for step in self.document["steps"]:
            lines = [f"<strong>{text(step['text'])}</strong>"] if step["text"] and step["security"] != "secure" else []
            if broken_above(self.document):
                lines = [self.say("chain.above")]
            lines += [f"<code>{text(record)}</code>" for record in step["records"]]
            lines += [self._signature(signature, signature["covers"]) for signature in step["signatures"]]
            lines += self._denial(step["denial"], self.words(f"kind.{step['kind']}"))
            if step["server"]:
                told = text(self.words("chain.told", servers=step["server"]))
                lines.append(f'<span class="soft">{told}</span>')
            name = f"<code>{text(step['name'])} {text(step['type'])}</code>"
            kind = text(self.words(f"kind.{step['kind']}"))
            head = f'<div class="head"><h3>{name} – {kind}</h3>{self._tag(step["security"])}</div>'
            fault = " fault" if step["security"] == "bogus" and not broken_above(self.document) else ""
            parts.append(f'<div class="zone{fault}">{head}{_list(lines)}</div>')
        return f'<section class="card answer"><h2>{self.say("page.answer")}</h2>{"".join(parts)}</section>' if parts else ""

    def _survey(self, survey: Document) -> str:
        columns = [self.say(f"col.{key}") for key in ("server", "says", "security", "latency", "zone")]
        rows = []
        for row in survey["servers"]:
            latency = f"{row['latency_ms']} ms ({row['transport'].upper()})" if row["latency_ms"] is not None else "–"
            why = f"<br>{text(row['text'])}" if row["text"] and row["security"] != "secure" else ""
            state = self._tag(row["security"]) if row["security"] is not None else self._tag("", row["what"])
            cells = (self._who(row), self._says(row), f"{state}{why}", _whole(latency), self._has(row))
            rows.append(list(zip(columns, cells, strict=True)))
        question = f"{survey['question']['name']} {survey['question']['type']}"
        of = self.words("page.servers.of", question=question, zone=self.zone_name(survey["zone"]))
        mark = "" if survey["agree"] else f"{_SIGN['bogus']} "
        return (
            f'<section class="card servers"><h2>{self.say("page.servers")}</h2><p class="soft">{text(of)}</p>'
            f"<p>{mark}{text(survey['sentence'])}</p>{_table(columns, rows)}</section>"
        )

    def _who(self, row: Document) -> str:
        """A server: address, name, NSID."""
        nsid = self.words("server.nsid", nsid=row["nsid"]) if row["nsid"] else self.words("server.no-nsid")
        lines = [f"<code>{_whole(row['address'])}</code>", text(row["name"] or "")]
        lines.append(f'<span class="soft">{text(nsid)}</span>' if row["rcode"] is not None else "")
        return "<br>".join(filter(None, lines))

    def _says(self, row: Document) -> str:
        """What it answered."""
        if row["rcode"] is None:
            return "–"
        lines = [f"<code>{_whole(row['rcode'])}</code>"]
        if row["kind"]:
            lines.append(text(self.words(f"kind.{row['kind']}")))
        if row["digest"]:
            lines.append(f'<span class="soft">{_whole(self.words("server.digest", digest=row["digest"]))}</span>')
        return "<br>".join(lines)

    def _has(self, row: Document) -> str:
        """Which version of the zone it serves, and with which keys."""
        lines = [_whole(self.words("server.serial", serial=row["serial"]))] if row["serial"] is not None else []
        if row["keys"] is not None:
            lines.append(text(self.words("server.keys", keys=", ".join(map(str, row["keys"])))))
        return "<br>".join(lines) or "–"

    def _looks(self) -> str:
        """Fresh and remembered, checked and not, beside each other."""
        document = self.document
        answer, daemon = document["answer"], document["daemon"]
        looks: list[tuple[str, Document | None, str]] = [
            ("word.fresh", answer, answer["security"]),
            ("word.fresh.cd", document["unchecked"], "unchecked"),
        ]
        if document["policy"] is not None and document["policy"]["handling"] == "answer":
            looks.append(("word.client", document["policy"], "unchecked"))
        if daemon["source"] == "dns":
            looks += [("word.daemon", daemon["checked"], ""), ("word.daemon.cd", daemon["unchecked"], "unchecked")]
        columns = [self.say(key) for key in ("col.look", "col.rcode", "col.security", "col.data", "page.errors")]
        rows = []
        for key, look, security in looks:
            if look is None:
                continue
            if not security:
                security = "secure" if look["authentic"] else "unchecked" if look["rcode"] == "SERVFAIL" else "insecure"
            state = self._tag(security, "AD" if key == "word.daemon" and security == "secure" else "")
            if key == "word.daemon" and not look["authentic"]:
                state = self._tag("", "no AD")
            # A bogus answer has data that no client gets, unless it sets CD: that is the next row's.
            records = look["records"] if look["rcode"] != "SERVFAIL" else []
            data = "<br>".join(f"<code>{text(record)}</code>" for record in records) or "–"
            errors = "<br>".join(text(f"{each['code']} {each['name']}") for each in look["errors"]) or "–"
            cells = (self.say(key), f"<code>{_whole(look['rcode'])}</code>", state, data, errors)
            rows.append(list(zip(columns, cells, strict=True)))
        rows += [list(zip(columns, self._remembered(worker), strict=True)) for worker in daemon["workers"]]
        return (
            f'<section class="card looks"><h2>{self.say("page.compare")}</h2><p>{text(daemon["sentence"])}</p>'
            f"{self._policy()}{_table(columns, rows)}</section>"
        )

    def _policy(self) -> str:
        """What response policy makes of it."""
        policy = self.document["policy"]
        return f"<p><strong>{self.say('page.policy')}</strong> {text(policy['sentence'])}</p>" if policy is not None else ""

    def _remembered(self, worker: Document) -> tuple[str, ...]:
        """A worker of the running resolver: what it would say from memory."""
        who = self.say("word.worker", worker=worker["worker"])
        if worker["state"] == "nothing":
            return who, "–", self._tag("", self.words("word.nothing")), "–", "–"
        records = [record for step in worker["steps"] for record in step["records"]] if worker["state"] == "answer" else []
        data = [f"<code>{text(record)}</code>" for record in records]
        age = "" if worker["age"] is None else self.words("word.age", age=worker["age"])
        life = "; ".join(part for part in (age, self.words("word.life", ttl=worker["ttl"])) if part)
        data.append(f'<span class="soft">{text(life)}</span>')
        errors = "<br>".join(text(f"{each['code']} {error_name(each['code'])}") for each in worker["errors"]) or "–"
        tag = self._tag(worker["security"]) if worker["security"] else self._tag("", self.words("word.failure"))
        return who, f"<code>{_whole(worker['rcode'])}</code>", tag, "<br>".join(data), errors

    def _procedure(self) -> str:
        steps = "".join(
            f"<li><strong>{text(step['step'])}</strong>{text(step['found'])}<br>→ {text(step['means'])}</li>"
            for step in self.document["procedure"]
        )
        last = f"<li><strong>{self.say('page.next')}</strong>{_with_command(self.document['answer']['next'])}</li>"
        return f'<section class="card"><h2>{self.say("page.procedure")}</h2><ol class="steps">{steps}{last}</ol></section>'

    def _trouble(self) -> str:
        findings = self.document["servers"]
        if not findings:
            return ""
        counted = Counter(
            f"{each['server'] or each['name_server']}: {each['what']} ({each['question']})" for each in findings
        )
        lines = [text(line if count == 1 else f"{line} ×{count}") for line, count in counted.items()]
        return f'<section class="card"><h2>{self.say("page.trouble")}</h2>{_list(lines)}</section>'

    # --- pieces --------------------------------------------------------------------------------------------------

    def say(self, key: str, **fields: object) -> str:
        """A text of the table, escaped."""
        return text(self.words(key, **fields))

    def zone_name(self, zone: str | None) -> str:
        """A zone's name for people: a lone dot is easily overlooked."""
        return self.words("word.root") if zone == "." else str(zone)

    def _tag(self, security: str, word: str = "") -> str:
        """A state: sign, word, colour and border."""
        known = security if security in _SIGN else "other"
        label = word or self.words(f"word.{security}")
        return f'<span class="tag {known}">{_SIGN.get(security, "?")} {text(label)}</span>'


def text(value: Any) -> str:
    """Anything, safe in HTML text and attributes."""
    return escape(clean(value), quote=True)


def _with_command(sentence: str) -> str:
    """A sentence that may end in a command to type."""
    return _COMMAND.sub(r"<code>\1</code>", text(sentence))


def _whole(value: Any) -> str:
    """A word that no line may end in."""
    return f'<span class="whole">{text(value)}</span>'


def _list(lines: list[str]) -> str:
    items = "".join(f"<li>{line}</li>" for line in lines if line)
    return f"<ul>{items}</ul>" if items else ""


def _table(columns: list[str], rows: list[list[tuple[str, str]]]) -> str:
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f'<td data-label="{column}"><span>{cell}</span></td>' for column, cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
