"""Code of aws_xray_sdk.core.models, see surface.py."""
