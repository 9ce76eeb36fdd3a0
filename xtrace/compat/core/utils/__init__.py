"""Code of aws_xray_sdk.core.utils, see surface.py."""
