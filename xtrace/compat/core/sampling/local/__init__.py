"""Code of aws_xray_sdk.core.sampling.local, see surface.py."""
