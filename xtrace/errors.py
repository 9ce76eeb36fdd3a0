"""Every exception xtrace raises, one tree.

XTraceError
├── ConfigurationError            a setting, or the environment, is wrong
│   ├── UnknownSetting            configure() was given a name that it doesn't have
│   ├── InvalidAddress            a daemon address or an emitter URL can't be read
│   ├── InvalidSamplingRules      a sampling rule file or dict can't be used
│   └── SegmentNameMissing        a segment without a name, and no service name to fall back on
├── SegmentMissing                no segment is open, and context_missing is RUNTIME_ERROR
└── IntegrationError              a library can't be patched
    ├── UnknownIntegration        no integration has that name
    └── MissingLibrary            the library, or an extra of xtrace, isn't installed

They are raised while a program is set up: by configure(), patch() and the constructors. Once
the program serves, xtrace repairs, counts and logs instead; SegmentMissing is the exception
that a program asks for by name.
"""

from __future__ import annotations


class XTraceError(Exception):
    """Base of everything that xtrace raises."""


class ConfigurationError(XTraceError, ValueError):
    """A setting, or the environment variable behind it, can't be used as it is."""


class UnknownSetting(ConfigurationError, TypeError):
    """configure() was given an argument that no setting has."""


class InvalidAddress(ConfigurationError):
    """A daemon address or an emitter URL can't be read."""


class InvalidSamplingRules(ConfigurationError):
    """A sampling rule file or dict can't be used; names the file, the rule and the field."""


class SegmentNameMissing(ConfigurationError):
    """A segment was begun without a name and no service name is configured."""


class SegmentMissing(XTraceError):
    """Something needed an open segment, there was none, and context_missing is RUNTIME_ERROR."""


class IntegrationError(XTraceError):
    """A library can't be patched."""


class UnknownIntegration(IntegrationError, ValueError):
    """No integration has that name."""


class MissingLibrary(IntegrationError, ImportError):
    """A library that an integration or a command needs isn't installed."""
