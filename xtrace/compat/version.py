"""aws_xray_sdk.version: the release of the official SDK whose interface this is."""

VERSION = "2.15.0"
