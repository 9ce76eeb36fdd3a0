"""What stands in ARNs where the X-Ray service has an account and a region."""

from __future__ import annotations

REGION = "us-east-1"
ACCOUNT = "000000000000"
