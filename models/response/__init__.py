"""The response network and its inputs."""
