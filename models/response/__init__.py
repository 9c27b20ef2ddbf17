"""Response prediction: the network, its inputs, its private training, and simple baselines."""
