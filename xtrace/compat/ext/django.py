"""aws_xray_sdk.ext.django: for INSTALLED_APPS."""

default_app_config = "aws_xray_sdk.ext.django.apps.XRayConfig"
