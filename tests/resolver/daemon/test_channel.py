"""Requests, news, and what happens when the other side says nothing, too much, or nonsense."""

import asyncio
import json

import pytest
import uvloop

from resolver.daemon import channel as module
from resolver.daemon.channel import Channel, ChannelError, make_pair
from resolver.daemon.trust.message import decode_trust, encode_trust
from trust.anchors import Nta, TrustPoint, TrustPoints, builtin
from wire.text import name_from_text


class Side:
    """One end, with what it heard."""

    def __init__(self):
        self.news = []
        self.lost = asyncio.Event()
        self.channel = None

    def handle(self, what, arguments):
        if what == "echo":
            return arguments
        if what == "bug":
            raise KeyError("oops")
        raise ChannelError(f"no such request: {what}")

    async def open(self, sock):
        self.channel = await Channel.open(sock, self.handle, lambda *news: self.news.append(news), self.lost.set)
        return self


def run(play, loop_factory=None):
    """Run `play(left, right)` with both ends open."""

    async def main():
        ours, theirs = make_pair()
        left, right = await Side().open(ours), await Side().open(theirs)
        try:
            async with asyncio.timeout(20):
                await play(left, right)
        finally:
            left.channel.close()
            right.channel.close()
            await left.channel.finish(5)
            await right.channel.finish(5)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop_factory", [None, uvloop.new_event_loop])
def test_requests_are_answered_in_both_directions(loop_factory):
    async def play(left, right):
        assert await left.channel.request("echo", name="jp", number=1) == {"name": "jp", "number": 1}
        assert await right.channel.request("echo") == {}
        answers = await asyncio.gather(*(left.channel.request("echo", n=n) for n in range(100)))
        assert [answer["n"] for answer in answers] == list(range(100))

    run(play, loop_factory)


def test_news_comes_before_the_request_that_follows_it():
    async def play(left, right):
        left.channel.tell("go", trust=1)
        assert await left.channel.request("echo") == {}
        assert right.news == [("go", {"trust": 1})]

    run(play)


def test_long_messages_arrive_whole():
    async def play(left, right):
        text = "é" * 400_000
        assert (await left.channel.request("echo", text=text))["text"] == text

    run(play)


def test_a_refusal_and_a_bug_are_told():
    async def play(left, right):
        with pytest.raises(ChannelError, match="no such request: dance"):
            await left.channel.request("dance")
        with pytest.raises(ChannelError, match="KeyError"):
            await left.channel.request("bug")
        assert await left.channel.request("echo") == {}

    run(play)


def test_whoever_says_nothing_is_not_waited_for():
    async def main():
        ours, theirs = make_pair()
        with theirs:
            side = await Side().open(ours)
            with pytest.raises(ChannelError, match="no answer to stats"):
                await side.channel.request("stats", timeout_s=0.05)
            # A late answer is nobody's.
            theirs.sendall(b'{"re":1,"ok":{}}\n')
            with pytest.raises(ChannelError, match="no answer"):
                await side.channel.request("stats", timeout_s=0.05)
        await asyncio.wait_for(side.lost.wait(), 10)

    asyncio.run(main())


def test_the_end_of_the_other_side_ends_every_wait():
    async def main():
        ours, theirs = make_pair()
        side = await Side().open(ours)
        waiting = asyncio.ensure_future(side.channel.request("stats"))
        await asyncio.sleep(0)
        theirs.close()
        with pytest.raises(ChannelError, match="gone"):
            await waiting
        await asyncio.wait_for(side.lost.wait(), 10)
        assert not side.channel.is_open
        with pytest.raises(ChannelError, match="gone"):
            await side.channel.request("stats")
        side.channel.tell("nobody hears this")

    asyncio.run(main())


@pytest.mark.parametrize("line", [b"nonsense\n", b"[1]\n", b'{"x": 1}\n', b"\xff\xfe\n"])
def test_nonsense_ends_the_channel(line):
    async def main():
        ours, theirs = make_pair()
        with theirs:
            side = await Side().open(ours)
            theirs.sendall(line)
            await asyncio.wait_for(side.lost.wait(), 10)

    asyncio.run(main())


def test_a_line_without_end_ends_the_channel(monkeypatch):
    monkeypatch.setattr(module, "MAX_LINE", 1000)

    async def main():
        ours, theirs = make_pair()
        with theirs:
            side = await Side().open(ours)
            theirs.sendall(b"x" * 1001)
            await asyncio.wait_for(side.lost.wait(), 10)

    asyncio.run(main())


def test_too_long_an_answer_is_refused_and_the_channel_lives(monkeypatch):
    async def play(left, right):
        monkeypatch.setattr(right, "handle", None)
        right.channel._handle = lambda what, arguments: {"text": "x" * 2000} if what == "long" else {}
        monkeypatch.setattr(module, "MAX_LINE", 1000)
        with pytest.raises(ChannelError, match="too long"):
            await left.channel.request("long")
        with pytest.raises(ChannelError, match="too long"):
            await left.channel.request("short", text="x" * 2000)
        assert await left.channel.request("short") == {}

    run(play)


def test_whoever_does_not_read_fills_no_memory(monkeypatch):
    monkeypatch.setattr(module, "MAX_UNSENT", 100_000)

    async def main():
        ours, theirs = make_pair()
        with theirs:
            side = await Side().open(ours)
            for _ in range(100):
                side.channel.tell("much", text="x" * 100_000)
            assert side.channel._transport.get_write_buffer_size() < 400_000
            with pytest.raises(ChannelError, match="does not read"):
                await side.channel.request("echo")
            side.channel._transport.abort()
            await asyncio.wait_for(side.lost.wait(), 10)

    asyncio.run(main())


def test_trust_points_travel_whole():
    point = TrustPoint(name_from_text("example.jp"), [b"\x01\x02\x08\x02" + bytes(32)], [b"\x01\x01\x03\x0d" + bytes(64)])
    ntas = [Nta(name_from_text("a.jp"), "ticket 1", 1_800_000_000.5), Nta(name_from_text("b.jp"), "configured")]
    points = TrustPoints([*builtin(), point], ntas, 7)
    document = json.loads(json.dumps(encode_trust(points)))
    got = decode_trust(document)
    assert got.generation == 7
    assert list(got.points) == list(points.points)
    for name, want in points.points.items():
        assert (got.points[name].ds, got.points[name].dnskeys) == (want.ds, want.dnskeys)
    assert [(nta.name, nta.text, nta.expires_wall) for nta in got.ntas.values()] == [
        (nta.name, nta.text, nta.expires_wall) for nta in ntas
    ]
