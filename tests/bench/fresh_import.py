"""Run import statements and tell what they took: python fresh_import.py STATEMENTS

Prints milliseconds of wall time, modules loaded and mebibytes of RSS as JSON. What this file itself
imports counts as bare Python and not as the module: next to nothing, for that reason.
"""

import sys
import time

from footprint import resident_bytes


def main() -> None:
    # Programs don't look for their libraries in this folder first.
    sys.path.pop(0)
    statements = compile(sys.argv[1], "imports", "exec")
    modules = len(sys.modules)
    memory = resident_bytes()
    begin = time.perf_counter()
    exec(statements, {})
    seconds = time.perf_counter() - begin
    values = {
        "milliseconds": seconds * 1e3,
        "modules": len(sys.modules) - modules,
        "mebibytes": (resident_bytes() - memory) / 2**20,
    }
    import json

    print(json.dumps(values))


if __name__ == "__main__":
    main()
