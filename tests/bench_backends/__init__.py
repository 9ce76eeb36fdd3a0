"""Measures emitters over HTTP and the collector's forwarding; not part of the tests."""
