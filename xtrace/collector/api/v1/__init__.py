"""The console's API, under /api/v1: what docs/api.md says, as functions of a store.

`endpoints` has the table of paths; each function there is called with the `Console` and what was `Asked`, and
gives what becomes JSON. HTTP is put around it in `web`; the command line calls `answer` without any.
"""
