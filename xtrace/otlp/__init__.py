"""X-Ray documents -> OTLP spans. Pure; for the emitters and for the collector's forwarding.

The way back, for whatever sends OTLP to the collector, is `xtrace.collector.otlp`; the names that
both ways know are in `names`. Mapping: OpenTelemetry's semantic conventions, and those of its
Collector's X-Ray receiver and exporter where the conventions have no word.
"""
