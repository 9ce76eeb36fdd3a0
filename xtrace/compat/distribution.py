"""What importlib.metadata says of aws-xray-sdk while the layer is installed."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

from .version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

_FILES = {
    "METADATA": f"""\
Metadata-Version: 2.1
Name: aws-xray-sdk
Version: {VERSION}
Summary: xtrace, which answers for the AWS X-Ray SDK for Python
Requires-Dist: wrapt

""",
    "INSTALLER": "xtrace\n",
    "top_level.txt": "aws_xray_sdk\n",
}


class _Distribution(importlib.metadata.Distribution):
    """aws-xray-sdk, of the release whose interface the layer has."""

    def read_text(self, filename: str) -> str | None:
        """A file of the dist-info folder."""
        return _FILES.get(filename)

    def locate_file(self, path: str | PathLike[str]) -> Path:
        """Where a file of the distribution would be."""
        return Path(__file__).parent / path


DISTRIBUTION = _Distribution()


def is_named(name: str) -> bool:
    """Whether this is the distribution's name, in one of its spellings."""
    return re.sub(r"[-_.]+", "-", name).lower() == "aws-xray-sdk"
