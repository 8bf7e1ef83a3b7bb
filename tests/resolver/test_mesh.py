"""The mesh: joining, cycles, budgets, deadlines."""

from collections.abc import Callable

from resolver.mesh import Action, Finish, Forget, Mesh, Send
from tests.resolver.play import ROOT_SERVER, START, Half, message, question, referral, settings
from trust.anchors import TrustPoints
from trust.policy import Policy
from trust.reason import Reason
from trust.vocabulary import Ask, Now, Reply, Security, Trouble
from wire import types as t
from wire.limits import PACKETS, RESOLUTION_SECONDS, SUBQUERIES
from wire.message import Message
from wire.text import name_to_text

World = Callable[[Ask], Message | Trouble]


class Stage:
    """A mesh with a world around it that answers at once, and a clock that moves a little with every packet."""

    def __init__(self, world: World, **changes: object) -> None:
        self.mesh = Mesh(settings(**changes), TrustPoints(), Policy(), Half())
        self.world = world
        self.now = START
        self.asked: list[Ask] = []
        self.finished: dict[object, Finish] = {}
        self.forgotten: list[int] = []

    def submit(self, token: object, name: str, rtype: str = "A", **more: bool) -> None:
        self.work(self.mesh.submit(token, question(name, rtype), self.now, **more))

    def work(self, actions: list[Action]) -> None:
        queue = list(actions)
        while queue:
            action = queue.pop(0)
            if isinstance(action, Finish):
                self.finished[action.token] = action
            elif isinstance(action, Forget):
                self.forgotten.append(action.ask_id)
            else:
                queue += self.answer(action)

    def answer(self, action: Send) -> list[Action]:
        self.asked.append(action.ask)
        self.pass_time(0.001)
        said = self.world(action.ask)
        message = said if isinstance(said, Message) else None
        trouble = said if isinstance(said, Trouble) else None
        return self.mesh.reply(action.ask_id, Reply(self.now, message, trouble=trouble, rtt_s=0.001))

    def pass_time(self, seconds: float) -> None:
        self.now = Now(self.now.wall + seconds, self.now.mono + seconds)


def a_record(ask: Ask) -> Message:
    return message(f"{name_to_text(ask.qname)}. 60 IN A 203.0.113.1")


def test_a_crowd_costs_one_resolution() -> None:
    stage = Stage(a_record)
    first = stage.mesh.submit("one", question("www.example.com"), stage.now)
    second = stage.mesh.submit("two", question("www.example.com"), stage.now)
    assert len(first) == 1
    assert second == []
    stage.work(first)
    assert set(stage.finished) == {"one", "two"}
    assert len(stage.asked) == 1


def test_the_cache_answers_at_once_and_counts_down() -> None:
    stage = Stage(a_record)
    stage.submit("one", "www.example.com")
    stage.pass_time(59)
    stage.submit("two", "www.example.com")
    assert len(stage.asked) == 1
    stage.pass_time(2)
    stage.submit("three", "www.example.com")
    assert len(stage.asked) == 2


def test_without_an_anchor_the_answer_is_insecure() -> None:
    stage = Stage(a_record)
    stage.submit("one", "www.example.com")
    resolution = stage.finished["one"].resolution
    assert (resolution.rcode, resolution.security) == (t.NOERROR, Security.INSECURE)


def test_a_delegation_that_waits_for_itself_ends() -> None:
    """Two zones whose only servers are in each other (RFC 1034 leaves this to glue, TsuNAME made it an attack)."""

    def world(ask: Ask) -> Message | Trouble:
        name = name_to_text(ask.qname)
        zone, other = ("a.", "b.") if name.endswith("a") else ("b.", "a.")
        return referral(f"{zone} 60 IN NS ns.{other}")

    stage = Stage(world)
    stage.submit("one", "www.a")
    resolution = stage.finished["one"].resolution
    assert resolution.rcode == t.SERVFAIL
    assert resolution.errors[0][0] == 22
    assert len(stage.asked) < 10
    assert stage.mesh.inflight == 0


def test_name_servers_without_end_stop_at_the_sub_resolution_limit() -> None:
    """NXNSAttack: a referral to many names, each of which is a referral to many names."""
    serial = iter(range(10_000))

    def world(ask: Ask) -> Message | Trouble:
        name = name_to_text(ask.qname)
        zone = name.split(".", 1)[-1] if name.startswith("ns") else name
        servers = "\n".join(f"{zone}. 60 IN NS ns{next(serial)}.x{next(serial)}.test-net." for _ in range(20))
        return referral(servers)

    stage = Stage(world)
    stage.submit("one", "www.attack")
    assert stage.finished["one"].resolution.rcode == t.SERVFAIL
    assert len(stage.asked) <= SUBQUERIES.value + 2
    assert stage.mesh.limit_hits
    assert stage.mesh.inflight == 0


def test_packets_run_out() -> None:
    """Servers with many addresses that all refuse: the packet budget ends it."""

    def world(ask: Ask) -> Message | Trouble:
        if ask.server.ip == ROOT_SERVER:
            names = "\n".join(f"x. 60 IN NS ns{i}.x." for i in range(20))
            glue = "\n".join(f"ns{i}.x. 60 IN A 192.0.2.{i * 8 + j}" for i in range(20) for j in range(8))
            return referral(names, glue)
        return Trouble.TIMEOUT

    stage = Stage(world)
    stage.submit("one", "www.x")
    assert stage.finished["one"].resolution.rcode == t.SERVFAIL
    assert len(stage.asked) <= PACKETS.value


def test_the_deadline_ends_a_resolution_and_names_the_silent_server() -> None:
    stage = Stage(a_record)
    actions = stage.mesh.submit("one", question("www.example.com"), stage.now)
    assert isinstance(actions[0], Send)
    deadline = stage.mesh.next_deadline()
    assert deadline == START.mono + RESOLUTION_SECONDS.value
    stage.pass_time(RESOLUTION_SECONDS.value + 0.1)
    stage.work(stage.mesh.expire(stage.now))
    resolution = stage.finished["one"].resolution
    assert resolution.rcode == t.SERVFAIL
    assert resolution.reason is Reason.LIMIT
    assert any("seconds-per-resolution" in text for _, text in resolution.errors)
    assert any(ROOT_SERVER in text for _, text in resolution.errors)
    assert stage.forgotten == [actions[0].ask_id]
    assert stage.mesh.inflight == 0
    assert stage.mesh.reply(actions[0].ask_id, Reply(stage.now, trouble=Trouble.TIMEOUT)) == []


def test_failures_are_remembered_and_say_so() -> None:
    stage = Stage(lambda ask: Trouble.TIMEOUT)
    stage.submit("one", "www.example.com")
    sent = len(stage.asked)
    stage.submit("two", "www.example.com")
    assert len(stage.asked) == sent
    errors = stage.finished["two"].resolution.errors
    assert errors[0][0] == 22
    assert errors[-1] == (13, "")
    stage.pass_time(6)
    stage.submit("three", "www.example.com")
    assert len(stage.asked) > sent


def test_alias_loop_ends() -> None:
    def world(ask: Ask) -> Message:
        name = name_to_text(ask.qname)
        return message(f"{name}. 60 IN CNAME {'b' if name == 'a' else 'a'}.")

    stage = Stage(world)
    stage.submit("one", "a")
    assert stage.finished["one"].resolution.rcode in (t.SERVFAIL, t.NOERROR)
    assert len(stage.asked) <= 3


def test_long_alias_chain_stops_at_the_limit() -> None:
    def world(ask: Ask) -> Message:
        number = int(name_to_text(ask.qname).split(".")[0][1:])
        return message(f"n{number}.test-net. 60 IN CNAME n{number + 1}.test-net.")

    stage = Stage(world)
    stage.submit("one", "n0.test-net")
    resolution = stage.finished["one"].resolution
    assert resolution.rcode == t.SERVFAIL
    assert "cname-hops" in resolution.errors[0][1]


def test_checking_disabled_is_never_secure_and_kept_apart() -> None:
    stage = Stage(a_record)
    stage.submit("cd", "www.example.com", checking_disabled=True)
    assert stage.finished["cd"].resolution.security is Security.INDETERMINATE
    stage.submit("check", "www.example.com")
    assert stage.finished["check"].resolution.security is Security.INSECURE
    assert len(stage.asked) == 1


def test_local_names_never_leave() -> None:
    stage = Stage(a_record)
    for name, rcode in (("localhost", t.NOERROR), ("1.0.0.10.in-addr.arpa", t.NXDOMAIN), ("x.invalid", t.NXDOMAIN)):
        stage.submit(name, name)
        resolution = stage.finished[name].resolution
        assert (resolution.rcode, resolution.authoritative, resolution.security) == (rcode, True, Security.INSECURE)
    assert stage.asked == []
