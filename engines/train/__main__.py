"""``python -m trimatte.engines.train``."""

import argparse
import sys

from trimatte.errors import Error

from .command import add_arguments, train

parser = argparse.ArgumentParser(
    prog="python -m trimatte.engines.train", description="Trains a network to cut out subjects."
)
add_arguments(parser)
try:
    train(parser.parse_args())
except Error as error:
    sys.exit(f"error: {error}")
