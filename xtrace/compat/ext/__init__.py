"""Code of aws_xray_sdk.ext, see surface.py."""
