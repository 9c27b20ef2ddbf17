"""A site of NVIDIA FLARE's FedAvg recipe for NumPy: one step of logistic regression a round."""

import sys

import numpy as np
import nvflare.client as flare
from local_training import made_up_patients, note
from nvflare.app_common.np.constants import NPConstants


def main() -> None:
    sites = int(sys.argv[1])
    flare.init()
    number = int(flare.get_site_name().split("-")[1]) - 1
    values, outcome = made_up_patients(sites)
    values = values[number::sites]
    outcome = outcome[number::sites]
    x = np.column_stack([values, np.ones(len(values))])
    while flare.is_running():
        model = flare.receive()
        if model is None:
            break
        note(site=number, round=model.current_round + 1)
        weights = np.asarray(model.params[NPConstants.NUMPY_KEY], np.float64)
        predicted = 1 / (1 + np.exp(-x @ weights))
        weights = weights - 0.01 * x.T @ (predicted - outcome) / len(x)
        flare.send(
            flare.FLModel(
                params={NPConstants.NUMPY_KEY: weights}, meta={"NUM_STEPS_CURRENT_ROUND": len(x)}
            )
        )


if __name__ == "__main__":
    main()
