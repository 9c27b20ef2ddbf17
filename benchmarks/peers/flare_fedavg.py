"""NVIDIA FLARE's FedAvg recipe for TensorFlow in its simulator.

python flare_fedavg.py WORKSPACE SITES HIDDEN ROUNDS
"""

import sys
from pathlib import Path

from nvflare.app_opt.tf.recipes.fedavg import FedAvgRecipe
from nvflare.recipe.sim_env import SimEnv


def main() -> None:
    workspace = sys.argv[1]
    sites, hidden, rounds = map(int, sys.argv[2:5])
    recipe = FedAvgRecipe(
        model={"path": "flare_model.Network", "args": {"hidden": hidden}},
        min_clients=sites,
        num_rounds=rounds,
        train_script=str(Path(__file__).with_name("flare_client.py")),
        train_args=f"{sites} {hidden}",
    )
    recipe.execute(SimEnv(num_clients=sites, num_threads=sites, workspace_root=workspace))


if __name__ == "__main__":
    main()
