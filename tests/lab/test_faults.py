"""Each fault zone shows its fault and no other, to an observer who does not know the catalogue.

And the catalogue promises what the corpus of published cases says.
"""

import re
import time
from pathlib import Path

import dns.message
import dns.name
import dns.query
import dns.rcode
import pytest

import lab.internet
import lab.server
from lab.faults import CATALOGUE, Ask, Expectation, Fault
from lab.internet import Internet, LabError
from lab.keys import KeyStore
from lab.server import RunningServer
from lab.steps import Behaviour
from lab.zones import SPECS
from tests.conftest import require_corpora
from tests.lab.conftest import Asker
from tests.lab.diagnose import symptoms

NO_KEY_FOR_DS = "DS: no key of that tag and algorithm"

SYMPTOMS: dict[str, set[str]] = {
    "valid": set(),
    "unsigned": {"A: unsigned", "no DNSKEY", "no DS"},
    "no-ds": {"no DS"},
    "allow-query-none": {"server: REFUSED"},
    "allow-query-localhost": {"server: REFUSED"},
    "not-auth": {"server: REFUSED"},
    "ds-bad-tag": {NO_KEY_FOR_DS},
    "ds-bad-key-algo": {"DS: algorithm 7", NO_KEY_FOR_DS},
    "ds-unassigned-key-algo": {"DS: algorithm 100", NO_KEY_FOR_DS},
    "ds-reserved-key-algo": {"DS: algorithm 200", NO_KEY_FOR_DS},
    "ds-unassigned-digest-algo": {"DS: digest type 100"},
    "ds-bogus-digest-value": {"DS: digest differs"},
    "rrsig-exp-all": {"A by ZSK: expired", "DNSKEY by KSK: expired", "DNSKEY by ZSK: expired"},
    "rrsig-exp-a": {"A by ZSK: expired"},
    "rrsig-not-yet-all": {"A by ZSK: not yet valid", "DNSKEY by KSK: not yet valid", "DNSKEY by ZSK: not yet valid"},
    "rrsig-not-yet-a": {"A by ZSK: not yet valid"},
    "rrsig-exp-before-all": {
        "A by ZSK: expires before inception",
        "DNSKEY by KSK: expires before inception",
        "DNSKEY by ZSK: expires before inception",
    },
    "rrsig-exp-before-a": {"A by ZSK: expires before inception"},
    "rrsig-no-all": {"A: unsigned", "DNSKEY: unsigned"},
    "rrsig-no-a": {"A: unsigned"},
    "no-rrsig-ksk": {"DNSKEY: not by KSK"},
    "no-rrsig-dnskey": {"DNSKEY: unsigned"},
    "bad-rrsig-ksk": {"DNSKEY by KSK: does not verify"},
    "bad-rrsig-dnskey": {"DNSKEY by KSK: does not verify", "DNSKEY by ZSK: does not verify"},
    "bad-nsec3-hash": {"NSEC3 by ZSK: does not verify", "NSEC3: none matches the apex"},
    "bad-nsec3-next": {
        "NSEC3 by ZSK: does not verify",
        "NSEC3: none covers the question",
        "NSEC3: none covers the wildcard",
    },
    "bad-nsec3param-salt": {"NSEC3PARAM: salt abcd", "no NSEC3"},
    "bad-nsec3-rrsig": {"NSEC3 by ZSK: does not verify"},
    "nsec3-missing": {"no NSEC3"},
    "nsec3-rrsig-missing": {"NSEC3: unsigned"},
    "nsec3param-missing": {"no NSEC3", "no NSEC3PARAM"},
    "no-nsec3param-nsec3": {"no NSEC3", "no NSEC3PARAM"},
    **{f"nsec3-iter-{n}": {f"NSEC3: {n} iterations"} for n in (1, 51, 101, 151, 200)},
    "no-dnskey": {"A by nobody: no such key", NO_KEY_FOR_DS, "no DNSKEY"},
    "no-zsk": {"A by nobody: no such key", "DNSKEY by nobody: no such key"},
    "bad-zsk": {"A by ZSK: does not verify", "DNSKEY by ZSK: does not verify"},
    "no-ksk": {"DNSKEY by nobody: no such key", "DNSKEY: not by KSK", NO_KEY_FOR_DS},
    "bad-ksk": {"DNSKEY by KSK: does not verify", "DS: digest differs"},
    "no-dnskey-256": {"ZSK without zone bit"},
    "no-dnskey-257": {"KSK without zone bit"},
    "no-dnskey-256-257": {"KSK without zone bit", "ZSK without zone bit"},
    **{
        f"{word}-zsk-algo": {
            "A by nobody: no such key",
            "DNSKEY by nobody: no such key",
            f"ZSK: algorithm {number}",
        }
        for word, number in (("bad", 7), ("unassigned", 100), ("reserved", 200))
    },
    **{
        f"{word}-ksk-algo": {
            "DNSKEY by nobody: no such key",
            "DNSKEY: not by KSK",
            NO_KEY_FOR_DS,
            f"KSK: algorithm {number}",
        }
        for word, number in (("bad", 7), ("unassigned", 100), ("reserved", 200))
    },
    **{
        name: {f"{what}: algorithm {number}" for what in ("DS", "KSK", "ZSK")}
        for name, number in (
            *(("rsamd5", 1), ("dsa", 3), ("rsasha1", 5), ("dsa-nsec3-sha1", 6), ("rsasha1-nsec3-sha1", 7)),
            *(("rsasha512", 10), ("ecdsap256sha256", 13), ("ecdsap384sha384", 14), ("ed25519", 15), ("ed448", 16)),
        )
    },
    "rsasha256": set(),
    "v4-private-10": {"glue: 10.0.0.1"},
    "v4-private-172": {"glue: 172.16.0.1"},
    "v4-private-192": {"glue: 192.168.0.1"},
    "v4-this-host": {"glue: 0.0.0.0"},
    "v4-loopback": {"glue: 127.0.0.1"},
    "v4-link-local": {"glue: 169.254.0.1"},
    "v4-doc": {"glue: 198.51.100.0"},
    "v4-reserved": {"glue: 240.0.0.1"},
    "v6-mapped": {"glue: ::ffff:1.2.3.4"},
    "v6-unspecified": {"glue: ::"},
    "v4-hex": {"glue: c000:201::"},
    "v6-link-local": {"glue: fe80::a:b:c:d"},
    "v6-localhost": {"glue: ::1"},
    "v6-mapped-dep": {"glue: ::1.2.3.4"},
    "v6-doc": {"glue: 2001:db8::1"},
    "v6-unique-local": {"glue: fc05::20:1"},
    "v6-nat64": {"glue: 64:ff9b::102:304"},
    "v6-multicast": {"glue: ff02::16"},
    "unsigned-transfer": {"A: unsigned", NO_KEY_FOR_DS, "no DNSKEY"},
    "dnssec-stripped": {"A: unsigned", "DNSKEY: unsigned"},
    "silent": {"server: silent"},
    "servfail": {"server: SERVFAIL"},
    "tcp-only": {"server: truncates"},
    "no-edns": {"no DS", "server: FORMERR"},
}


@pytest.mark.parametrize("fault", CATALOGUE.values(), ids=lambda fault: fault.name)
def test_zone_shows_its_fault_and_no_other(net: Internet, server: RunningServer, fault: Fault) -> None:
    # A server that is silent on purpose is not waited for as long as one that is merely slow.
    patience = 0.3 if fault.behaviour is Behaviour.SILENT else 5.0
    ask = Asker(net, server.port, patience)
    assert symptoms(ask, "faults.jp.", fault.zone, fault.question) == SYMPTOMS[fault.name]


def test_refuses_others_but_not_itself(net: Internet, server: RunningServer) -> None:
    address = Asker(net, 0).address_of("allow-query-localhost.faults.jp.")
    query = dns.message.make_query("allow-query-localhost.faults.jp.", "A")
    own = dns.query.udp(query, address, port=server.port, source=address, timeout=5)
    other = dns.query.udp(query, address, port=server.port, source="127.0.0.1", timeout=5)
    assert (own.rcode(), other.rcode()) == (dns.rcode.NOERROR, dns.rcode.REFUSED)


class TestAgainstTheCorpus:
    """The table of published cases: same cases, same questions, same answers."""

    def _rows(self) -> dict[str, tuple[str, str, str]]:
        path: Path = require_corpora("ede-cases.md")
        rows = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("|") and len(cells) > 4 and cells[0] not in ("case", "---"):
                rows[cells[0]] = (cells[1], cells[2], cells[3])
        return rows

    def test_every_published_case_is_there(self) -> None:
        assert set(self._rows()) == {fault.name for fault in CATALOGUE.values() if fault.published}

    def test_expectations_and_questions(self) -> None:
        for name, (wrong, answer, ede) in self._rows().items():
            fault = CATALOGUE[name]
            assert _expected(answer, ede) == _comparable(fault.expect), name
            nonexistent = "nx" in wrong or "does not exist" in wrong or name.startswith("nsec3-iter")
            assert (fault.ask is Ask.NONEXISTENT) == nonexistent, name

    def test_expectations_of_a_resolver_that_validates_sha1(self) -> None:
        rows = self._rows()
        differing = {name for name, (_, answer, _) in rows.items() if '"validate"' in answer}
        assert differing == {fault.name for fault in CATALOGUE.values() if fault.expect_if_sha1_validates}
        for name in differing:
            _, answer, ede = rows[name]
            fault = CATALOGUE[name]
            assert fault.expect_if_sha1_validates
            assert fault.expect_if_sha1_validates.rcode == ("SERVFAIL" if "SERVFAIL" in answer else "NOERROR")
            assert fault.expect_if_sha1_validates.ad == ("AD" in answer.split(";")[1])
            assert _codes(ede.split(" / ")[1]) == set(fault.expect_if_sha1_validates.ede)


def _codes(text: str) -> set[int]:
    return {int(number) for number in re.findall(r"\b\d+\b", text)}


def _expected(answer: str, ede: str) -> tuple[str, bool, set[int]]:
    first = answer.split(";")[0]
    return first.split()[0].rstrip(","), " AD" in first, _codes(ede.split(" / ")[0])


def _comparable(expect: Expectation) -> tuple[str, bool, set[int]]:
    return expect.rcode, expect.ad, set(expect.ede)


class TestBreakAndHeal:
    """The same faults, given to a zone of a running mini-Internet and taken away again."""

    def test_any_zone_can_be_broken_and_healed(self, keys: KeyStore) -> None:
        net = lab.internet.build(time.time(), keys=keys, faults=[])
        origin = dns.name.from_text("example.com.")
        with lab.server.running(net) as server:
            ask = Asker(net, server.port)

            def seen() -> set[str]:
                # The catalogue's zones use algorithm 8, example.com does not: that is no symptom here.
                question = "www.example.com."
                return {s for s in symptoms(ask, "com.", "example.com.", question) if "algorithm 13" not in s}

            assert seen() == set()
            for name, expected in (
                ("rrsig-exp-all", SYMPTOMS["rrsig-exp-all"]),
                ("ds-bogus-digest-value", {"DS: digest differs"}),
                ("no-zsk", SYMPTOMS["no-zsk"]),
                ("v4-doc", {"glue: 198.51.100.0"}),
                ("not-auth", {"server: REFUSED"}),
            ):
                assert net.apply(origin, CATALOGUE[name], int(time.time())) == [origin, dns.name.from_text("com.")]
                server.load(net)
                assert seen() == expected, name
            net.apply(origin, None, int(time.time()))
            server.load(net)
            assert seen() == set()

    def test_serial_grows_with_every_change(self, keys: KeyStore) -> None:
        net = lab.internet.build(1_800_000_000, keys=keys, faults=[])
        origin = dns.name.from_text("example.jp.")
        serials = [net.zones[origin].soa[0].serial]
        for _ in range(3):
            net.apply(origin, None, 1_800_000_000)
            serials.append(net.zones[origin].soa[0].serial)
        assert serials == sorted(set(serials))

    def test_what_cannot_be_done_is_said(self, keys: KeyStore) -> None:
        net = lab.internet.build(time.time(), keys=keys, specs=SPECS[:4], faults=[])
        with pytest.raises(LabError, match="not a zone"):
            net.apply(dns.name.from_text("nowhere.example."), CATALOGUE["no-ds"], 0)
        with pytest.raises(LabError, match="parent"):
            net.apply(dns.name.root, CATALOGUE["no-ds"], 0)
