"""The shape of Config: what its consumers rely on."""

import pickle
from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from resolver.config import Config, Endpoint, ServerAddress, parse
from resolver.config.model import SECTIONS, CacheSection, ServerSection
from resolver.config.notices import notices


def test_defaults_are_parsed_values() -> None:
    config = Config()
    assert config.server.listen == (Endpoint("127.0.0.1", 53), Endpoint("::1", 53))
    assert config.server.user is None
    assert config.server.tcp_idle_timeout == 10.0
    assert config.access.allow == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    assert config.upstream.root_hints == "builtin"
    assert config.upstream.stub == {}
    assert config.cache.size == 256 * 1024**2
    assert config.trust.anchors == "builtin"
    assert config.trust.nta.max_lifetime == 7 * 86400.0
    assert config.metrics.listen == Endpoint("127.0.0.1", 9153)


def test_it_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Config().server.workers = 3


def test_it_can_be_made_by_hand_with_attribute_names() -> None:
    config = Config(server=ServerSection(max_udp_size=512), cache=CacheSection(max_ttl="1h"))
    assert (config.server.max_udp_size, config.cache.max_ttl) == (512, 3600)
    with pytest.raises(ValidationError, match="too large"):
        ServerSection(max_udp_size=4096)


def test_it_travels_to_another_process() -> None:
    config = parse('[upstream]\nstub.jp = ["192.0.2.1"]\n[trust.nta]\nstatic = ["jp"]')
    assert pickle.loads(pickle.dumps(config)) == config


def test_ports_of_stub_and_forward_are_filled_in() -> None:
    config = parse('[upstream]\nport = 5353\nstub.jp = ["192.0.2.1", "::1@54"]\nforward.com = ["192.0.2.2"]')
    assert config.upstream.stub == {"jp.": (ServerAddress("192.0.2.1", None), ServerAddress("::1", 54))}
    assert config.upstream.stub_servers == {"jp.": (Endpoint("192.0.2.1", 5353), Endpoint("::1", 54))}
    assert config.upstream.forward_servers == {"com.": (Endpoint("192.0.2.2", 5353),)}


def test_sections() -> None:
    assert {
        "server", "access", "upstream", "cache", "trust", "trust.nta", "limits", "policy", "policy.dns64",
        "metrics", "control", "conform", "clock", "probe", "watch", "log",
    } == SECTIONS  # fmt: skip


class TestDifferences:
    def test_none(self) -> None:
        assert Config().differences(parse("[server]\nworkers = 0")) == ()

    def test_says_what_changed_and_whether_a_reload_is_enough(self) -> None:
        before = parse("[cache]\nmax-ttl = 60")
        after = parse('[server]\nlisten = ["127.0.0.1:5300"]\n[cache]\nmax-ttl = 30\n[trust.nta]\nstatic = ["jp"]')
        found = [(d.key, d.before, d.after, d.reloadable) for d in before.differences(after)]
        assert found == [
            ("server.listen", Config().server.listen, (Endpoint("127.0.0.1", 5300),), False),
            ("cache.max-ttl", 60, 30, True),
            ("trust.nta.static", (), ("jp.",), True),
        ]

    def test_two_spellings_of_one_value_are_no_difference(self) -> None:
        one = parse('[trust.nta]\nmax-lifetime = "1d"\nstatic = ["JP"]')
        other = parse('[trust.nta]\nmax-lifetime = 86400\nstatic = ["jp."]')
        assert one.differences(other) == ()


class TestNotices:
    def keys(self, toml: str) -> list[str]:
        return [notice.key for notice in notices(parse(toml))]

    def test_the_defaults_need_no_remark(self) -> None:
        assert self.keys("") == []

    @pytest.mark.parametrize(
        ("toml", "key"),
        [
            ('[server]\nlisten = ["192.0.2.1:53"]\n[access]\nallow = ["0.0.0.0/0"]', "access.allow"),
            ('[server]\nlisten = ["192.0.2.1:53"]', "access.allow"),
            ("[access]\nallow = []", "access.allow"),
            ("[upstream]\nallow-loopback = true", "upstream.allow-loopback"),
            ("[upstream]\nprivate-servers = true", "upstream.private-servers"),
            ("[upstream]\nport = 5300", "upstream.port"),
            ("[server]\nmax-udp-size = 1200", "server.max-udp-size"),
            ("[upstream]\nedns-buffer = 1200", "upstream.edns-buffer"),
            ('[trust.nta]\nstatic = ["jp"]', "trust.nta.static"),
            ("[trust]\nrfc5011 = false", "trust.rfc5011"),
            ('[trust]\nsha1 = "validate"', "trust.sha1"),
            ("[log]\nvalidation-failures = false", "log.validation-failures"),
            ("[log]\nqueries = true", "log.queries"),
            ('[clock]\nntp-servers = ["192.0.2.1", "192.0.2.2"]', "clock.ntp-servers"),
            ('[clock]\nntp-names = ["ntp.example"]', "clock.ntp-names"),
        ],
    )
    def test_a_remark(self, toml: str, key: str) -> None:
        assert key in self.keys(toml)

    def test_an_open_resolver_on_loopback_is_none(self) -> None:
        assert self.keys('[access]\nallow = ["0.0.0.0/0"]') == []
