"""Groups of patients that a site never tells apart, in any reply of any run.

A site deals its patients once into groups of at least ``least`` and keeps them on its own disk.
Folds, inner folds and calibration sets are unions of groups. So is every difference of two of them,
in one run or over runs: no sum, and no combination of sums, is about fewer patients than a group.
A patient who joins later waits until ``least`` have come. If a patient of a group is missing, from
the data or because the outcome is unknown now, the whole group takes no part. Runs that name
patients or define outcomes otherwise than the first one are refused, as they would deal anew.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from flame.core.errors import Refusal
from flame.core.files import locked, write_text

GROUPS_FILE = "groups.json"
"""Name of the file in the kit of a site."""


@dataclass(frozen=True)
class Dealt:
    """Patients in their groups.

    Args:
        patients: those that take part, the rows of whole groups; ``persons`` names their groups.
        waiting: number of persons who wait until enough others have come.
        incomplete: number of persons whose group has lost a member.
    """

    patients: Any
    waiting: int
    incomplete: int


class DisclosureGroups:
    """The groups of one site.

    Args:
        path: file of the groups.
        least: least number of persons in a group, at least 2.
        key: secret of the site, which decides who shares a group.
        definitions: how a run names patients and defines outcomes, by key of the configuration;
            values that are empty are not compared.
    """

    def __init__(
        self,
        path: Path,
        least: int,
        key: bytes,
        definitions: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self.least = least
        self.key = key
        self.definitions = {k: str(v) for k, v in (definitions or {}).items() if v}

    def dealt(self, patients: Any, least: int = 0) -> Dealt:
        """Deal the patients of a run, and keep the groups.

        Args:
            patients: patients of the site as a task sees them; those without a known outcome take
                no part.
            least: least number of persons in a group of this run, if it is larger: groups are
                joined for it, and kept as they are.

        Returns:
            The patients of whole groups, who all have a known outcome.

        Raises:
            Refusal: fewer than ``least`` patients are in whole groups.

        Example:
            >>> from flame.models.segmentation.case_table import Cases
            >>> names = tuple("abcdefg")
            >>> patients = Cases("a", names, tuple((1,) for _ in names))
            >>> from tempfile import TemporaryDirectory
            >>> with TemporaryDirectory() as kit:
            ...     groups = DisclosureGroups(Path(kit) / GROUPS_FILE, least=3, key=b"k")
            ...     dealt = groups.dealt(patients)
            >>> sorted(dealt.patients.persons.count(name) for name in {*dealt.patients.persons})
            [3, 4]
        """
        known = patients.take(patients.labelled)
        persons = known.persons or known.pseudonyms
        code_of = {name: self._code(name) for name in dict.fromkeys(persons)}
        outcome: dict[str, int] = {}
        for name, group in zip(persons, known.groups.tolist(), strict=True):
            outcome[code_of[name]] = max(group, outcome.get(code_of[name], group))
        groups = _merged(self._updated(outcome), max(least, self.least))
        whole = {
            code: number
            for number, group in enumerate(groups)
            if set(group) <= outcome.keys()
            for code in group
        }
        if not whole:
            raise Refusal(
                f"has fewer than {self.least} patients that can take part without being told apart "
                "from the replies of this and of earlier runs"
            )
        rows = [i for i, name in enumerate(persons) if code_of[name] in whole]
        names = tuple(f"group {whole[code_of[persons[i]]]}" for i in rows)
        dealt = {code for group in groups for code in group}
        waiting = len(outcome.keys() - dealt)
        taken = replace(known.take(np.array(rows, np.intp)), persons=names)
        return Dealt(taken, waiting, len(outcome) - waiting - len(whole))

    def _code(self, name: str) -> str:
        return hmac.new(self.key, f"group:{name}".encode(), hashlib.sha256).hexdigest()

    def _updated(self, outcome: dict[str, int]) -> list[list[str]]:
        """Return all groups, after those of persons who are new are added and kept."""
        with locked(self.path.with_suffix(".lock"), wait=True):
            kept = json.loads(self.path.read_text()) if self.path.exists() else {}
            groups = kept.get("groups", [])
            definitions = self._agreed(kept.get("definitions", {}))
            before = {code for group in groups for code in group}
            fresh = {code: kind for code, kind in outcome.items() if code not in before}
            groups = _merged(groups, self.least) + _dealt_anew(fresh, self.least)
            updated = {"definitions": definitions, "groups": groups}
            if updated != kept:
                write_text(self.path, json.dumps(updated, indent=0), private=True)
        return groups

    def _agreed(self, before: dict[str, str]) -> dict[str, str]:
        """Return all definitions; raise Refusal where a run differs from an earlier one."""
        for key, value in self.definitions.items():
            if before.get(key, value) != value:
                raise Refusal(
                    f"was asked with {key} = {before[key]} before: another value would deal its "
                    f"patients anew, so that single ones could be told apart. Set {key} as before, "
                    f"or, if its hospital accepts that, delete {GROUPS_FILE} in its kit"
                )
        return before | self.definitions


def _dealt_anew(outcome: dict[str, int], least: int) -> list[list[str]]:
    """Deal persons in turn, sorted by outcome, so that groups are as mixed as the site."""
    count = len(outcome) // least
    ordered = sorted(outcome, key=lambda code: (outcome[code], code))
    return [ordered[n::count] for n in range(count)]


def _merged(groups: list[list[str]], least: int) -> list[list[str]]:
    """Join groups that are smaller than a limit that was raised since."""
    joined: list[list[str]] = []
    for group in groups:
        if joined and len(joined[-1]) < least:
            joined[-1] = joined[-1] + group
        else:
            joined.append(group)
    if len(joined) > 1 and len(joined[-1]) < least:
        last = joined.pop()
        joined[-1] = joined[-1] + last
    return joined
