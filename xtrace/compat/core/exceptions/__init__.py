"""Code of aws_xray_sdk.core.exceptions, see surface.py."""
