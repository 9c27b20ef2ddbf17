"""What may leave a node of a stream: its policy, its audit log, and figures that are suppressed."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from flame.core.errors import Refusal
from flame.federation.gossip.method import GOSSIP
from flame.federation.privacy.site_policy import SitePolicy
from flame.streams.arrivals import ALARMS, KNOWN, KNOWN_BEFORE, KNOWN_NEW
from flame.streams.learners.clustered import Clustered
from flame.streams.learners.learner import LEARNERS
from flame.streams.methods import MethodConfig
from flame.streams.stream import Batch

STREAMS = "stream"
"""Name of streams among the learners of a policy."""
FIGURES = "figures"
"""Name of the tables of steps among the queries of a policy."""
_ALWAYS = ["step", "node", "concept", "changed", "rows", "alarm", "bytes", "held", "moved"]
"""Columns that may leave whatever the number of rows."""
MOST = "most_of_a_patient"
"""Column with the largest number of rows that a patient has in the batch."""
_NEVER = rf"^(gradients|alarm_.+|earlier|{MOST})$"
"""Columns from which rows can be counted, or which tell of a single one. Two means over earlier
batches tell the figure of the batch between them, which may have been too small."""
_CLASSES = r"^(true|predicted|right)_\d+$|^(pairs|ordered)$"
"""Columns with rows of single classes."""
_SHARES = ["accuracy"]
"""Columns that tell how frequent a class is, of a method that always answers with one."""


class Leaving:
    """Decides what may leave a node, and writes it to the audit log before it does.

    Args:
        policy: policy of the node; None: in a simulation, where everything may.
        note: writes a line to the audit log.
    """

    def __init__(self, policy: SitePolicy | None, note: Callable[[str], None]) -> None:
        self.policy = policy
        self.write = note
        self.least = max(policy.least_patients, policy.least_count) if policy else 1

    def check(self, method: MethodConfig) -> None:
        """Check that a method sends nothing that the policy forbids.

        Args:
            method: the method.

        Raises:
            Refusal: it would.
        """
        policy = self.policy
        if policy is None:
            return
        if policy.learners and STREAMS not in policy.learners:
            raise Refusal(f"does not take part in streams: its policy does not list '{STREAMS}'")
        if method.exchange == "alone":
            return
        if policy.secure or policy.epsilon > 0:
            raise Refusal(
                "sends updates under masks or with differential privacy only, which streams do not "
                "have; only methods with exchange 'alone' can run here"
            )
        if method.exchange == GOSSIP and not policy.peers:
            raise Refusal("sends its models to no other site: its policy has no peers = true")
        if LEARNERS[method.learner].tells and not policy.evidence:
            raise Refusal("sends no evidence on models: its policy has evidence = false")

    def figures(self) -> None:
        """Write that the tables of steps leave, before they do.

        Raises:
            Refusal: the policy does not allow it, or the log cannot be written.
        """
        policy = self.policy
        if policy and policy.queries and FIGURES not in policy.queries:
            raise Refusal(f"sends no figures of its steps: its policy does not list '{FIGURES}'")
        self.write(
            "tables with accuracy, alarms and counts of the steps of all methods, and which "
            "features drifted, to the server; "
            f"without figures of fewer than {self.least} rows"
        )

    def note(
        self, name: str, method: MethodConfig, step: int, batch: Batch, to: Sequence[str]
    ) -> None:
        """Write what a step will send, before it does.

        Args:
            name: name of the method.
            method: the method.
            step: number of the step.
            batch: the batch that the models learn.
            to: names of the receivers.
        """
        if not to:
            return
        what = "models"
        if told := LEARNERS[method.learner].tells:
            what += f", {told},"
        if issubclass(LEARNERS[method.learner], Clustered):
            what += ", and which of several each of them is,"
        rows = int(batch.exists.sum())
        self.write(
            f"{what} in the rounds of step {step} of {name}, learned from {rows} further rows and "
            f"those before, to {', '.join(to)}"
        )

    def suppressed(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Remove the figures of steps with fewer rows than the policy asks for.

        Args:
            rows: the table of ``Prequential``.

        Returns:
            The table with 0 rows, and no figures of them, where there were too few; and no counts
            of classes where a class had too few. A class of k rows is of k / m patients or more,
            with the m rows of the patient that has most.
        """
        few = rows.rows < self.least
        most = rows[MOST] if MOST in rows else pd.Series(1, rows.index)
        shown = rows.copy()
        for column in shown.columns.difference(_ALWAYS):
            shown[column] = shown[column].astype(float).where(~few, np.nan)
        shown["rows"] = shown.rows.where(~few, 0)
        for column in shown.filter(regex=_NEVER).columns:
            shown[column] = np.nan
        true, right = (rows.filter(regex=rf"^{kind}_\d+$") for kind in ("true", "right"))
        rare = self._few(true, most)
        for column in _SHARES:
            shown[column] = shown[column].where(~rare, np.nan)
        rare |= self._few(right, most) | self._few(true - right.to_numpy(), most)
        for column in shown.filter(regex=_CLASSES).columns:
            shown[column] = shown[column].where(~rare, np.nan)
        return shown.drop(columns=MOST, errors="ignore")

    def alarms(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Keep of a table of alarms where drift was seen, since when, and in which feature.

        Args:
            rows: the table of ``ArrivalWatch``, as text.

        Returns:
            The alarms that are of enough patients, without figures, devices and patients. New
            devices count where each has enough patients.
        """
        known = rows[[KNOWN_BEFORE, KNOWN, KNOWN_NEW]].astype(int)
        shown = rows[list(ALARMS)].copy()
        shown["new"] = rows.new.astype(int).where(known[KNOWN_NEW] >= self.least, 0)
        enough = (known[[KNOWN_BEFORE, KNOWN]] >= self.least).all(axis=1)
        return shown[enough & ((shown.feature.fillna("") != "") | (shown.new > 0))]

    def _few(self, counts: pd.DataFrame, most: "pd.Series[int]") -> "pd.Series[bool]":
        """Return the steps in which the rows of a count can be of fewer patients than the least."""
        return ((counts > 0) & counts.lt(self.least * most, axis=0)).any(axis=1)
