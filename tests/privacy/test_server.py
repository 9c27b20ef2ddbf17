"""A server that runs secure aggregation, or twists it, reads no update of one hospital."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from scipy.stats import kstest

from flame.core.errors import Refusal
from flame.federation.privacy.identity import Identity
from flame.federation.privacy.secure_aggregation import SecureSum, threshold
from flame.federation.privacy.secure_update import secure_sum, sum_of
from tests.helpers.secure_sites import call_of

VALUES = {site: np.full(2000, 3.25 * n) for n, site in enumerate("abcde", 1)}


def parts_of(
    sites: str,
    what: str = "t:1",
    kept: Path | None = None,
    signing: dict[str, Identity] | None = None,
) -> dict[str, SecureSum]:
    files = {s: kept / f"{s}.json" if kept else None for s in sites}
    return {s: SecureSum(s, what, VALUES[s], (signing or {}).get(s), files[s]) for s in sites}


def uniform(values: np.ndarray) -> bool:
    return bool(kstest(values.view(np.uint64).astype(float) / 2.0**64, "uniform").pvalue > 1e-4)


def begun(parts: dict[str, SecureSum]) -> tuple[dict, dict, dict]:
    """Keys, ciphertexts and masked values, as the server sees them."""
    keys = {s: part.advertised() for s, part in parts.items()}
    shares = {s: part.shared(keys) for s, part in parts.items()}
    hidden = {
        s: part.hidden({o: shares[o][s] for o in parts if o != s}) for s, part in parts.items()
    }
    return keys, shares, hidden


def test_masked_values_look_like_noise_and_never_twice_the_same() -> None:
    seen = [begun(parts_of("abc"))[2]["a"] for _ in range(2)]
    assert all(map(uniform, seen))
    assert uniform(seen[1] - seen[0])  # a pad used twice would leave 0, the change of the values


def test_a_step_is_taken_once() -> None:
    parts = parts_of("abc")
    keys, shares, _ = begun(parts)
    again = {o: shares[o]["a"] for o in "bc"}
    for repeat in (
        lambda: parts["a"].advertised(),
        lambda: parts["a"].shared(keys),
        lambda: parts["a"].hidden(again),
    ):
        with pytest.raises(Refusal, match="once, and in order"):
            repeat()
    parts["a"].agreed(["a", "b", "c"])
    with pytest.raises(Refusal, match="once, and in order"):
        parts["a"].agreed(["a", "b", "c"])


@pytest.mark.parametrize("run", ["the same run", "another run"])
def test_the_sum_without_one_site_is_refused(tmp_path: Path, run: str) -> None:
    """The difference of the sums over all and without d would be the values of d."""
    secure_sum(call_of(parts_of("abcd", "t:1", tmp_path)), tuple("abcd"), 4, "t:1")
    what = "t:1" if run == "the same run" else "other:9"
    with pytest.raises(Refusal, match="gives site d away"):
        secure_sum(call_of(parts_of("abc", what, tmp_path)), tuple("abc"), 3, what)
    total, *_ = secure_sum(call_of(parts_of("abcd", "t:2", tmp_path)), tuple("abcd"), 4, "t:2")
    assert total[0] == 3.25 * 10


def test_two_sites_hide_nothing_from_each_other_and_are_refused() -> None:
    parts = parts_of("ab")
    keys = {s: part.advertised() for s, part in parts.items()}
    with pytest.raises(Refusal, match="among 3 sites at least"):
        parts["a"].shared(keys)


def test_a_late_reply_of_a_lost_site_stays_hidden() -> None:
    """The server keeps the values of e, says that e was lost, and takes off all that it can."""
    parts = parts_of("abcde")
    keys, _, hidden = begun(parts)
    alive = list("abcd")
    agreements = {s: parts[s].agreed(alive) for s in alive}
    revealed = {s: parts[s].unmasked(agreements) for s in alive}
    total = sum_of({s: hidden[s] for s in alive}, keys, revealed, "t:1")
    assert total[0] == 3.25 * 10
    assert all("e" not in reply["seeds"] for reply in revealed.values())
    with_e = sum_of(hidden | {"e": hidden["e"] + 0}, keys, _pretending(revealed), "t:1")
    spread = (with_e - total) / 2.0**40 + 0.5  # 64 bits, of which 24 are behind the point
    assert kstest(spread, "uniform").pvalue > 1e-4


def _pretending(revealed: dict) -> dict:
    """The server takes the shares of the mask key of e for those of its seed."""
    return {
        s: {"seeds": r["seeds"] | {"e": r["masks"]["e"]}, "masks": {}} for s, r in revealed.items()
    }


def test_two_lists_of_lost_sites_are_not_both_revealed() -> None:
    """Some sites are told that e lives, others that it was lost: nobody reveals anything."""
    parts = parts_of("abcde")
    begun(parts)
    lives = {s: parts[s].agreed(list("abcde")) for s in "abe"}
    lost = {s: parts[s].agreed(list("abcd")) for s in "cd"}
    assert len(lives) < threshold(5)
    for site in "abe":
        with pytest.raises(Refusal, match="only if enough sites agree"):
            parts[site].unmasked(lives)
    for site in "cd":
        with pytest.raises(Refusal, match="only if enough sites agree"):
            parts[site].unmasked(lost)
    parts = parts_of("abcde")
    begun(parts)
    mixed = {s: parts[s].agreed(list("abcde" if s in "ab" else "abcd")) for s in "abcd"}
    with pytest.raises(Refusal, match="has other lists of sites than site"):
        parts["a"].unmasked(mixed)


def test_different_shares_for_different_sites_give_nothing() -> None:
    """As found: e is told that only a and b sent shares, and its neighbours are then unmasked.

    With all lists in what sites sign, no list has enough signatures.
    """
    parts = parts_of("abcde")
    keys = {s: part.advertised() for s, part in parts.items()}
    shares = {s: part.shared(keys) for s, part in parts.items()}
    seen = {"e": "ab", "a": "bcde", "b": "acde", "c": "abde", "d": "abce"}
    for site, others in seen.items():
        parts[site].hidden({o: shares[o][site] for o in others})
    told = {"a": "acde", "b": "bcde", "c": "bcde", "d": "bcde"}
    agreements = {s: parts[s].agreed(list(alive)) for s, alive in told.items()}
    with pytest.raises(Refusal, match="reveals sums over 4 of these sites"):
        parts["e"].agreed(list("abe"))
    for site in "bcd":
        own = {s: agreements[s] for s in "bcd"}
        with pytest.raises(Refusal, match="only if enough sites agree"):
            parts[site].unmasked(own)


def test_no_combination_of_sums_gives_a_site_away(tmp_path: Path) -> None:
    """{abc} + {cde} - {abcde} = c, though any two of them differ by two sites."""
    for number, sites in enumerate(("abc", "cde")):
        what = f"t:{number}"
        secure_sum(call_of(parts_of(sites, what, tmp_path)), tuple(sites), 3, what)
    with pytest.raises(Refusal, match="gives site c away"):
        secure_sum(call_of(parts_of("abcde", "t:3", tmp_path)), tuple("abcde"), 5, "t:3")


def test_sites_that_were_asked_different_things_add_nothing_up() -> None:
    """With zero weights at b and c, the sum would be the update of a."""
    parts = parts_of("abc")
    parts["a"] = SecureSum("a", "t:1:other weights", VALUES["a"])
    keys = {s: part.advertised() for s, part in parts.items()}
    for site in "abc":
        with pytest.raises(Refusal, match="was asked something else than site"):
            parts[site].shared(keys)


def made_identities(names: str, days: tuple[int, int] = (0, 1)) -> dict[str, Identity]:
    """Certificates of one authority, made as a federation's are, valid in these days from now."""
    root, name = rsa.generate_private_key(65537, 2048), _name("federation")
    authority = _certificate(name, name, root.public_key(), root)
    found = {}
    for site in names:
        key = rsa.generate_private_key(65537, 2048)
        own = _certificate(_name(site), name, key.public_key(), root, days)
        found[site] = Identity(key, own, authority)
    return found


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: rsa.RSAPublicKey,
    signer: rsa.RSAPrivateKey,
    days: tuple[int, int] = (0, 1),
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
    first, last = (now + timedelta(day) for day in days)
    builder = builder.not_valid_before(first).not_valid_after(last)
    return builder.sign(signer, hashes.SHA256())


def test_a_server_cannot_exchange_keys() -> None:
    """It knows the secrets of the keys that it puts in the place of those of b."""
    identities = made_identities("abc")
    signed = parts_of("abc", signing=identities)
    keys = {s: part.advertised() for s, part in signed.items()}
    assert set(signed["a"].shared(keys)) == {"b", "c"}
    own = {s: part.advertised() for s, part in parts_of("abc").items()}
    stranger = made_identities("abc")["b"]
    forged = parts_of("abc", signing={"b": stranger})["b"].advertised()
    other_sum = parts_of("abc", "t:0", signing=identities)["b"].advertised()
    other_sum = other_sum | {"what": keys["b"]["what"]}
    as_c = dict(keys["c"])
    for exchanged in (own["b"], forged, other_sum, as_c, keys["b"] | {"mask": own["b"]["mask"]}):
        fresh = parts_of("abc", signing=identities)["a"]
        with pytest.raises(Refusal, match="a key that site b did not sign"):
            fresh.shared(keys | {"a": fresh.advertised(), "b": exchanged})


@pytest.mark.parametrize("days", [(-2, -1), (1, 2)])
def test_a_certificate_out_of_its_dates_signs_nothing(days: tuple[int, int]) -> None:
    parts = parts_of("abc", signing=made_identities("abc", days))
    keys = {s: part.advertised() for s, part in parts.items()}
    with pytest.raises(Refusal, match="certificate of site [abc] that is not valid today"):
        parts["a"].shared(keys)


def test_shares_are_for_their_receiver_alone() -> None:
    parts = parts_of("abc")
    keys = {s: part.advertised() for s, part in parts.items()}
    shares = {s: part.shared(keys) for s, part in parts.items()}
    with pytest.raises(Refusal, match="shares that site b did not send"):
        parts["a"].hidden({"b": shares["b"]["c"], "c": shares["c"]["a"]})
