"""What all other packages share: patients, images, errors, registries and configuration."""
