"""Flower's FedAvg in its simulation, with workers of one core each.

python flower_fedavg.py SITES HIDDEN ROUNDS
"""

import sys

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from local_training import network, site_of

SITES, HIDDEN, ROUNDS = map(int, sys.argv[1:4])
client = ClientApp()
server = ServerApp()


@client.train()
def train(message: Message, context: Context) -> Message:
    """Train; a worker reuses the network of a site that it has trained before."""
    site = site_of(int(context.node_config["partition-id"]), SITES, HIDDEN)
    site.rounds = int(message.content["config"]["server-round"]) - 1
    learned = site.learned(message.content["arrays"].to_numpy_ndarrays())
    figures = MetricRecord({"num-examples": len(site.x)})
    return Message(
        RecordDict({"arrays": ArrayRecord(learned), "metrics": figures}), reply_to=message
    )


@server.main()
def main(grid: Grid, context: Context) -> None:
    """Run FedAvg over all sites, without evaluation."""
    strategy = FedAvg(
        fraction_train=1.0, fraction_evaluate=0.0, min_train_nodes=SITES, min_available_nodes=SITES
    )
    strategy.start(grid, ArrayRecord(network(HIDDEN).get_weights()), num_rounds=ROUNDS)


if __name__ == "__main__":
    run_simulation(
        server,
        client,
        SITES,
        backend_config={
            "init_args": {"num_cpus": 2},
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
        },
    )
