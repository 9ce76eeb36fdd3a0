"""Code of aws_xray_sdk.core.plugins, see surface.py."""
