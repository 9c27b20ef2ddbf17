"""NVIDIA FLARE's FedAvg recipe for NumPy in its simulator: a logistic regression, no Keras.

python flare_numpy_fedavg.py WORKSPACE SITES THREADS ROUNDS
"""

import sys
from pathlib import Path

from local_training import FEATURES
from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe
from nvflare.recipe.sim_env import SimEnv


def main() -> None:
    workspace = sys.argv[1]
    sites, threads, rounds = map(int, sys.argv[2:5])
    recipe = NumpyFedAvgRecipe(
        model=[0.0] * (FEATURES + 1),
        min_clients=sites,
        num_rounds=rounds,
        train_script=str(Path(__file__).with_name("flare_numpy_client.py")),
        train_args=str(sites),
    )
    recipe.execute(SimEnv(num_clients=sites, num_threads=threads, workspace_root=workspace))


if __name__ == "__main__":
    main()
