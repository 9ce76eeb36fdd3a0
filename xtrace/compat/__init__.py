"""Answers `import aws_xray_sdk` with xtrace, so that programs written against it run unchanged.

`surface` is the table of what there is. `aws_xray_sdk` installs it. Under `core` and `ext` stands
the code of those modules that have any, one file a module; it is only ever imported as
`aws_xray_sdk.core...`, with the table in between.
"""
