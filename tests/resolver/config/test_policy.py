"""`[policy]`: what may be written, what is refused and in which words, what is shown."""

from pathlib import Path

import pytest

from resolver.config import ConfigError
from resolver.config.loading import parse
from resolver.config.model import OPTIONS

ZONE = '[[policy.zones]]\nzone = "RPZ.example"\n'


def problem(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        parse(text)
    return str(refused.value.findings[0])


def test_a_zone_by_file(tmp_path: Path) -> None:
    text = f'{ZONE}file = "zone"\naction = "nodata"\nextended-error = "none"\nmax-ttl = "5m"\nbreak-dnssec = false\n'
    config = parse(text, file=tmp_path / "akashi.toml")
    (zone,) = config.policy.zones
    assert (zone.zone, zone.file, zone.action, zone.ede) == ("rpz.example.", tmp_path / "zone", "nodata", None)
    assert (zone.max_ttl, zone.break_dnssec) == (300, False)


def test_a_zone_by_transfer_does_not_show_its_secret() -> None:
    config = parse(f'{ZONE}primaries = ["192.0.2.1", "[2001:db8::1]:5300"]\ntsig = "key.:hmac-sha256:c2VjcmV0"\n')
    (zone,) = config.policy.zones
    assert [str(server.at(53)) for server in zone.primaries] == ["192.0.2.1:53", "[2001:db8::1]:5300"]
    assert zone.tsig is not None and zone.ede == 15
    assert "c2VjcmV0" not in str(OPTIONS["policy.zones"].kind.show(config.policy.zones))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ZONE, "either file or primaries"),
        (ZONE + 'file = "a"\nprimaries = ["192.0.2.1"]\n', "either file or primaries"),
        ('[[policy.zones]]\nfile = "a"\n', "without a zone"),
        ('[[policy.zones]]\nzone = "."\nfile = "a"\n', "root"),
        (ZONE + 'file = "a"\nattack = true\n', "there is no 'attack'"),
        (ZONE + 'file = "a"\ntsig = "k:hmac-sha256:AAAA"\n', "tsig is for transfers"),
        (ZONE + 'primaries = ["192.0.2.1"]\ntsig = "k:md5:AAAA"\n', "algorithm"),
        (ZONE + 'primaries = ["192.0.2.1"]\ntsig = "k"\n', "of the form"),
        (ZONE + 'primaries = ["192.0.2.1"]\ntsig = "k:hmac-sha256:?"\n', "base64"),
        (ZONE + "primaries = []\n", "empty"),
        (ZONE + 'primaries = ["ns.example"]\n', "IP address"),
        (ZONE + 'file = "a"\naction = "reject"\n', "action is one of"),
        (ZONE + 'file = "a"\nmax-ttl = "2d"\n', "max-ttl"),
        (ZONE + 'file = "a"\nbreak-dnssec = "no"\n', "true or false"),
        (ZONE + 'file = "a"\n' + ZONE + 'file = "b"\n', "listed twice"),
        ('[policy]\nlocal-zones = { "a.example" = "typetransparent" }\n', "not one of"),
        ('[policy]\nlocal-data = ["a.example 60 A 192.0.2.300"]\n', "not a record"),
        ('[policy]\nlocal-data = ["a. 60 A 192.0.2.1\\nb. 60 A 192.0.2.1"]\n', "not one record"),
        ('[policy.dns64]\nprefixes = ["64:ff9b::/95"]\n', "bits"),
        ('[policy.dns64]\nprefixes = ["2001:db8:0:0:100::/96"]\n', "64 to 71"),
        ("[policy.dns64]\nprefixes = []\n", "too few"),
        ('[policy.dns64]\nexclude = ["192.0.2.0/24"]\n', "IPv6"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    assert says in problem(text)


def test_nothing_by_default() -> None:
    policy = parse("").policy
    assert policy.zones == () and not policy.local_zones and not policy.dns64.enabled


def test_what_changed_is_told() -> None:
    before = parse(f'{ZONE}file = "/a"\n')
    after = parse(f'{ZONE}file = "/a"\naction = "drop"\n')
    assert [(d.key, d.reloadable) for d in before.differences(after)] == [("policy.zones", True)]


@pytest.mark.parametrize(
    "line",
    [
        'tsig = "key:hmac-sha256:c2VjcmV0"\naction = "nonsense"',
        'tsig = "key:hmac-md4:c2VjcmV0"',
        'tsig = ["c2VjcmV0"]',
        'secret = "c2VjcmV0"',
        'TSIG = "c2VjcmV0"',
    ],
)
def test_no_message_repeats_a_secret(line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f'[[policy.zones]]\nzone = "rpz.example"\nprimaries = ["192.0.2.1"]\n{line}\n')
    told = [str(caught.value), str([finding.as_json() for finding in caught.value.findings])]
    assert not [text for text in told if "c2Vj" in text], told
