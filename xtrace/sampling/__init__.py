"""Which requests are recorded: rules, reservoirs, and the samplers that apply them.

A sampler is any object with `should_trace(request)`: request is a dict with any of the keys
`service`, `host`, `method`, `path`, `route`, `service_type` (or None: only the service is asked
for); the answer is False, True, or the name of the rule that decided for recording.
"""
