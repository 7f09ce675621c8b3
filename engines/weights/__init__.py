"""Model cards and the weights that they name: found, fetched, verified, read."""
