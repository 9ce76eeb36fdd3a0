"""aws_xray_sdk.core.utils.compat: types of annotations, kinds of methods."""

from __future__ import annotations

annotation_value_types = (int, float, bool, str)


def is_classmethod(func: object) -> bool:
    """Whether a function is bound to something."""
    return getattr(func, "__self__", None) is not None


def is_instance_method(parent_class: type, func_name: str, func: object) -> bool:
    """Whether a class's function takes an instance: it is neither bound nor static."""
    if is_classmethod(func):
        return False
    for each in parent_class.__mro__:
        if func_name in each.__dict__:
            return not isinstance(each.__dict__[func_name], staticmethod)
    return True
