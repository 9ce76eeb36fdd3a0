"""Code of aws_xray_sdk.core.emitters, see surface.py."""
