"""Code of aws_xray_sdk.core.sampling, see surface.py."""
