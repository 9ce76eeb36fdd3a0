"""examples/lambda_handler.py, with its files where the test wants them."""

from __future__ import annotations

import os

from examples.lambda_handler import handler
from xtrace.environment import lambda_

lambda_.READY_FOLDER = os.path.join(os.environ["TEST_FOLDER"], "aws-xray")

__all__ = ["handler"]
