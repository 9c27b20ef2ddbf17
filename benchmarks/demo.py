"""The table of early response that ``flame demo`` ends in, for ten seeds.

    python benchmarks/demo.py [--quick] [--out FOLDER]

Simulated patients. As in the demonstration, three hospitals have 24 patients each; here all of them
are simulated as preprocessed folders, so that a seed takes one minute and not five. Prints the AUC
at every hospital of the federated model, of the one that never saw the hospital, and of the
hospital's own model, and over all patients. Then in how many seeds the federated one is better than
chance (above 0.5 at every hospital, and the whole 95 % interval over all patients), and than the
hospitals alone on average. The simulation and the folds were chosen with other seeds (100 to 107).
FOLDER keeps the simulated patients.
"""

import argparse
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
from result_line import add_quick, print_result_line

from flame.core.scores import GeneralisationReport
from flame.evaluation.metrics.generalisation import UNSEEN, at_centre
from flame.federation.trainings import FEDERATED, LOCAL
from flame.io.bids import write_dataset_description
from flame.pipelines import evaluate, train
from flame.pipelines.demo import overall, response_config
from flame.pipelines.demo_patients import DemoPatients
from flame.pipelines.parallel import in_parallel
from flame.pipelines.simulate import centre_names
from flame.preprocessing.cohort.tables import write_participants
from flame.simulation.derivatives import simulate_subject


def hospitals(root: Path, seed: int, patients: int) -> None:
    """Write the preprocessed folders of one seed."""
    size = DemoPatients()
    if (root / centre_names(size.centres)[-1] / "participants.tsv").exists():
        return
    names = centre_names(size.centres)
    work = list(product(range(size.centres), range(patients)))
    days = size.imaging_days[:2]  # the model reads no others
    arguments = [(root / names[c], c, n, days, seed, True, True) for c, n in work]
    found = {name: [] for name in names}
    for (centre, _), subject in zip(work, in_parallel(simulate_subject, arguments, 2), strict=True):
        found[names[centre]].append(subject)
    for name, subjects in found.items():
        write_dataset_description(root / name, name, simulated=True)
        clinical = {s.subject: s.clinical for s in subjects}
        treatments = {s.subject: s.treatment for s in subjects}
        write_participants(root / name, clinical, treatments, "simulated")


Interval = tuple[float, float, float]


def one_seed(seed: int, patients: int, out: Path | None) -> tuple[GeneralisationReport, Interval]:
    """Simulate, train and evaluate one seed; return the scores and the AUC over all patients."""
    with tempfile.TemporaryDirectory() as scratch:
        bids = (out or Path(scratch)) / f"seed-{seed}"
        hospitals(bids, seed, patients)
        train.run(response_config(bids, "in-process"), Path(scratch) / "run")
        return evaluate.run(Path(scratch) / "run").report, overall(Path(scratch) / "run")


def of_model(report: GeneralisationReport, model: str) -> list[Interval]:
    """Return AUC and interval at each hospital; of local models that of the hospital itself."""
    scores = [at_centre(report, report.metric, centre)[model] for centre in report.centres]
    return [(s.value, s.low, s.high) for s in scores]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_quick(parser, "one seed of eight patients per hospital")
    parser.add_argument("--out", type=Path, help="folder of simulated patients to keep")
    arguments = parser.parse_args()
    seeds = range(1 if arguments.quick else 10)
    above = []
    each = []
    gains = []
    print("SIMULATED patients: AUC of early response at each hospital (95 % interval)")
    for seed in seeds:
        report, pooled = one_seed(seed, 8 if arguments.quick else 24, arguments.out)
        scores = {m: of_model(report, m) for m in (FEDERATED, UNSEEN, LOCAL)}
        for model, found in scores.items():
            cells = "  ".join(f"{v:.2f} ({low:.2f} to {high:.2f})" for v, low, high in found)
            print(f"seed {seed}  {model:25} {cells}", flush=True)
        value, low, high = pooled
        print(f"seed {seed}  federated, all patients   {value:.2f} ({low:.2f} to {high:.2f})")
        above.append(low > 0.5 and all(v > 0.5 for v, _, _ in scores[FEDERATED]))
        each.append(all(end > 0.5 for _, end, _ in scores[FEDERATED]))
        means = {m: float(np.nanmean([v for v, _, _ in found])) for m, found in scores.items()}
        gains.append(means[FEDERATED] - means[LOCAL])
    better = sum(gain > 0 for gain in gains)
    print(f"better than chance: {sum(above)} of {len(above)} seeds")
    print(f"with the whole interval of every single hospital: {sum(each)} of {len(each)} seeds")
    print(
        f"better than the hospitals alone on average: {better} of {len(gains)} seeds; gain "
        f"{np.mean(gains):+.3f} ({min(gains):+.3f} to {max(gains):+.3f})"
    )
    headline = {
        "seeds better than chance": sum(above),
        "seeds with every single interval above chance": sum(each),
        "seeds better than alone": better,
        "mean gain over alone": float(np.mean(gains)),
    }
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()
