"""Why the daemon could not start: a sentence for the operator, and what to do about it."""


class StartError(Exception):
    """The daemon cannot start as configured.

    Attributes:
        problem: what is wrong, naming the address, file or user it is about.
        advice: what the operator may do; may be empty.
    """

    def __init__(self, problem: str, advice: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.advice = advice
