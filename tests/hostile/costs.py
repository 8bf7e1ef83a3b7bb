"""`python -m tests.hostile.costs` counts what each signed attack costs, into docs/RESILIENCE.md.

In virtual time: packets, signature verifications and NSEC3 hashes of one client query, the first and a later one, and the
limits that end it.
"""

from pathlib import Path

import dns.rcode

from tests.hostile.signed import ATTACKS, World
from tests.hostile.virtual import Net

PAGE = Path(__file__).parents[2] / "docs" / "RESILIENCE.md"
BEGIN, END = "<!-- counted: begin (python -m tests.hostile.costs) -->", "<!-- counted: end -->"
START = 1_700_000_000.0


def rows() -> list[str]:
    """A row for each attack."""
    world = World(START)
    lines = [
        "| attack | packets | verifications | hashes | ends by | what the client gets |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for attack in ATTACKS.values():
        net = Net(world.respond, anchor=world.anchor())
        counts = []
        for number in range(3):
            before = len(net.asked)
            net.begin(number, attack.question(number))
            net.run()
            counts.append((len(net.asked) - before, *spent(net, number)))
        ends = ", ".join(f"`{label}`" for label in net.mesh.limits.hits) or "—"
        resolution = net.finished[2]
        gets = f"{dns.rcode.to_text(dns.rcode.Rcode(resolution.rcode))} ({resolution.security.name.lower()})"
        cells = [f"{first}, {later}" for first, later in zip(counts[0], counts[-1], strict=True)]
        story = " ".join((attack.answer.__doc__ or "").split()).rstrip(".")
        lines.append(f"| `{attack.name}`: {story} | {' | '.join(cells)} | {ends} | {gets} |")
    return lines


def spent(net: Net, token: object) -> tuple[int, int]:
    """Verifications and hashes of a client's query."""
    budgets = [quota.budget for quota in {id(quota): quota for quota in net.quotas[token]}.values()]
    return sum(budget.verifications for budget in budgets), sum(budget.nsec3_hashes for budget in budgets)


def main() -> None:
    """Put the rows between the page's markers."""
    head, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE.name} lacks the lines {BEGIN!r} and {END!r}")
    PAGE.write_text(f"{head}{BEGIN}\n\n" + "\n".join(rows()) + f"\n\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
