"""The official SDK, in an environment of its own: what the layer for it is compared with.

    python tests/support/official.py

makes the environment and says where its Python is. Nothing of the official SDK is read: it is run.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.own_environment import pinned, python_with

# Its last release; and the wrapt of its time: with 2, its unpatch() functions do nothing.
OFFICIAL = ("aws-xray-sdk==2.15.0", "wrapt==1.17.2", "aiobotocore==3.10.0", "boto3")
# In the versions of the development environment.
LIBRARIES = (
    "aiohttp",
    "bottle",
    "django",
    "flask",
    "flask-sqlalchemy",
    "httpx",
    "mysql-connector-python",
    "pg8000",
    "psycopg",
    "psycopg-binary",
    "psycopg-pool",
    "psycopg2-binary",
    "pymongo",
    "pymysql",
    "pynamodb",
    "requests",
    "sqlalchemy",
    "urllib3",
)


def environment() -> Path:
    """The Python of the virtual environment, which is made if it isn't there yet."""
    return python_with("official", [*OFFICIAL, *pinned(LIBRARIES)])


if __name__ == "__main__":
    print(environment())
