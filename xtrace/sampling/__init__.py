"""Which requests are recorded: rules, reservoirs, and the samplers that apply them.

A sampler is any object with `should_trace(request)`: request is a dict with any of the keys
`service`, `host`, `method`, `path`, `service_type`, `resource_arn` and `attributes` (a dict), or
None; the answer is False, True, or the name of the rule that decided for recording.
"""
