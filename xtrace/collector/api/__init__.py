"""The X-Ray API."""
