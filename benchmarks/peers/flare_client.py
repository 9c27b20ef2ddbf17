"""A site of NVIDIA FLARE's FedAvg recipe: flare_client.py SITES HIDDEN."""

import sys

import nvflare.client as flare
from local_training import Site


def main() -> None:
    sites, hidden = map(int, sys.argv[1:3])
    flare.init()
    site = Site(int(flare.get_site_name().split("-")[1]) - 1, sites, hidden)
    layers = [layer.name for layer in site.network.layers if layer.get_weights()]
    while flare.is_running():
        model = flare.receive()
        if model is None:
            break
        kernel_and_bias = site.learned([w for name in layers for w in model.params[name]])
        learned = iter(kernel_and_bias)
        params = {name: [next(learned), next(learned)] for name in layers}
        flare.send(flare.FLModel(params=params, meta={"NUM_STEPS_CURRENT_ROUND": len(site.x)}))


if __name__ == "__main__":
    main()
