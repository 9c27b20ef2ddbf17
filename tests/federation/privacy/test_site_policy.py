"""What a hospital's own file forbids, and that its log says what leaves before it does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flame.core.errors import BadInput, Refusal
from flame.federation.config import TrainConfig
from flame.federation.privacy.audit_log import AuditLog, described
from flame.federation.privacy.site_policy import SitePolicy, read_policy
from flame.federation.sections import PrivacyConfig, RegressionConfig


def test_the_stricter_limit_holds(toy: TrainConfig) -> None:
    config = replace(toy, privacy=PrivacyConfig(least_patients=8, least_count=3))
    found = SitePolicy(least_patients=5, least_count=6).applied(config).privacy
    assert (found.least_patients, found.least_count) == (8, 6)


def test_what_is_not_listed_is_refused(toy: TrainConfig) -> None:
    policy = SitePolicy(learners=("survival",), queries=("moments",), least_patients=1)
    with pytest.raises(Refusal, match="does not take part in response"):
        policy.applied(toy)
    with pytest.raises(Refusal, match="does not reply to 'times'"):
        policy.check_query("times")
    for asked in ("moments", "train", "hidden"):
        policy.check_query(asked)
    with pytest.raises(Refusal, match="does not reply to 'score'"):
        policy.check_query("score")
    assert policy.applied(replace(toy, task="survival")).task == "survival"
    SitePolicy().check_query("times")


def test_other_hospitals_see_updates_only_where_the_policy_says_so(toy: TrainConfig) -> None:
    config = replace(toy, federation=replace(toy.federation, strategy="gossip"))
    with pytest.raises(Refusal, match="has no peers = true"):
        SitePolicy().applied(config)
    assert SitePolicy(peers=True).applied(config).federation == config.federation


def test_sums_of_single_patients_need_a_limit_of_one(toy: TrainConfig) -> None:
    config = replace(toy, task="survival", regression=RegressionConfig(stratified=False))
    with pytest.raises(Refusal, match="sends no sums at single deaths"):
        SitePolicy().applied(config)
    assert SitePolicy(least_patients=1).applied(config) == replace(
        config, privacy=replace(config.privacy, least_count=5)
    )


def test_a_policy_file(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('learners = ["respons"]')
    with pytest.raises(BadInput, match="unknown learner 'respons': did you mean 'response'"):
        read_policy(path)
    path.write_text("least_patient = 4")
    with pytest.raises(BadInput, match="did you mean 'least_patients'"):
        read_policy(path)
    with pytest.raises(BadInput, match="no configuration file"):
        read_policy(tmp_path / "none.toml")


def test_words_of_messages() -> None:
    weights = {"weights": [np.zeros((3, 2), np.float32)], "patients": 12, "loss": 0.5}
    text = described("train", {"name": "federated.seed-0.all", "number": 4}, weights)
    assert text.startswith("weights after round 4 of federated.seed-0.all, learned from 12 pat")
    assert text.endswith("(8 numbers, 0.0 kB)")
    sums = described("reply", {"query": "moments"}, {"count": np.zeros(500)})
    assert sums == "sums over patients in reply to 'moments' (500 numbers, 4.0 kB)"
    assert described("train", {}, {"failed": "ValueError"}) == "no reply to 'train': ValueError"


def test_a_log_that_cannot_be_written_stops_the_message(tmp_path: Path) -> None:
    AuditLog(tmp_path / "sent.log").write("describe", {}, {"version": "1"})
    assert (tmp_path / "sent.log").read_text().endswith(" describe: version (0 numbers, 0.0 kB)\n")
    with pytest.raises(Refusal, match="cannot write its audit log, so it sends nothing"):
        AuditLog(Path("/dev/full")).write("describe", {}, {"version": "1"})
