"""Import one module and tell what it took: python fresh_import.py MODULE

Prints milliseconds of wall time, modules loaded and mebibytes of RSS as JSON. What this file itself
imports counts as bare Python and not as the module: next to nothing, for that reason.
"""

import sys
import time

from footprint import resident_bytes


def main() -> None:
    # Programs don't look for their libraries in this folder first.
    sys.path.pop(0)
    name = sys.argv[1]
    modules = len(sys.modules)
    memory = resident_bytes()
    begin = time.perf_counter()
    __import__(name)
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
