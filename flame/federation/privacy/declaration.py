"""What a run may ask of a site, from its configuration: anything else is refused.

The configuration of a run determines its trainings. A site computes them itself, before it replies
for the first time, and compares every call with them: centres, seeds and folds, rounds, and how
many different queries there may be. A call that is repeated, as after an interruption, counts once.
"""

from collections import defaultdict

from flame.core.arrays import digest
from flame.core.errors import Refusal
from flame.federation.task import Message
from flame.federation.trainings import Training, who

_MOST_QUERIES = 60
"""Most different queries of one name in a training; tasks send fewer than ten."""
_MOST_MODELS = 3
"""Most models that a strategy trains in one round."""
_MOST_REPEATS = 3
"""Most different starts of one round: one, and others after a loss of sites or an interruption."""


class Declaration:
    """The calls that one run may make at one site.

    Args:
        plan: the trainings of the run.
        rounds: number of rounds of each.
        most_sums: most coefficients of one training at which sums may be queried.
        whole_queries: queries of trainings that hold out nobody.
    """

    def __init__(
        self,
        plan: list[Training],
        rounds: int,
        most_sums: int,
        whole_queries: tuple[str, ...] = (),
    ) -> None:
        self._rounds = rounds
        self._seeds = {training.seed for training in plan}
        self._trainings = {training.name: digest(who(training)) for training in plan}
        self._most_sums = most_sums
        self._whole_queries = whole_queries
        self._asked: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)

    def check(self, method: str, arguments: Message) -> None:
        """Check a call before any patient is read for it.

        Args:
            method: method of ``Site``.
            arguments: its arguments by name.

        Raises:
            Refusal: the run did not declare the call, or has made too many of its kind.

        Example:
            >>> run = Declaration([Training("federated", ("a", "b"), 0, 5)], rounds=2, most_sums=9)
            >>> run.check("score", {"who": who(Training("federated", ("a", "b"), 0, 40, 3))})
            Traceback (most recent call last):
            flame.core.errors.Refusal: replies for the trainings of this run only
        """
        if method == "initial_weights" and arguments.get("seed") not in self._seeds:
            raise Refusal("makes initial weights of this run's seeds only")
        if "who" in arguments:
            self._check_patients(method, arguments)
        if method == "reply":
            self._check_query(arguments)
        if method == "train":
            self._check_round(arguments)

    def _check_patients(self, method: str, arguments: Message) -> None:
        patients = digest(arguments["who"])  # tells 0 from 0.0 and False, which are equal
        if method == "train":
            declared = patients == self._trainings.get(arguments["name"])
        else:
            declared = patients in self._trainings.values()
        if not declared:
            raise Refusal("replies for the trainings of this run only")
        if method == "score":
            self._count(("score", patients), arguments, 1, _MOST_REPEATS)

    def _check_query(self, arguments: Message) -> None:
        parameters = arguments["parameters"]
        held_out = arguments["who"]["fold"] != -1 or arguments.get("calibrating")
        if arguments["query"] in self._whole_queries and held_out:
            raise Refusal(f"replies to '{arguments['query']}' where nobody is held out only")
        key = ("reply", digest(arguments["who"]), str(arguments["query"]))
        sums = len(parameters["beta"]) if "beta" in parameters else 0
        most = self._most_sums if sums else max(_MOST_QUERIES, _MOST_REPEATS * self._rounds)
        if arguments["query"] in self._whole_queries:
            most = _MOST_REPEATS
        self._count(key, arguments, max(sums, 1), most)

    def _check_round(self, arguments: Message) -> None:
        name, number = arguments["name"], arguments["number"]
        if type(number) is not int or not 1 <= number <= self._rounds:
            raise Refusal(f"trains the {self._rounds} rounds of this run only")
        if len(arguments["corrections"]) > _MOST_MODELS:
            raise Refusal(f"trains {_MOST_MODELS} models a round at most")
        self._count(("train", name, str(number)), arguments, 1, _MOST_REPEATS)

    def _count(self, key: tuple[str, ...], arguments: Message, amount: int, most: int) -> None:
        asked = self._asked[key]
        this = digest(arguments)
        if this not in asked and sum(asked.values()) + amount > most:
            raise Refusal(
                f"has replied to as many different queries of one kind as this run needs ({most})"
            )
        asked[this] = amount
