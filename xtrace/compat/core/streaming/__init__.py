"""Code of aws_xray_sdk.core.streaming, see surface.py."""
