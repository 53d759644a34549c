"""Loads every installed package that has native code, once: what the system lacks is found out while an image is built."""

from __future__ import annotations

import importlib
import importlib.metadata as metadata
import sys

# The packages whose import is for other systems, or wants what only a test has.
SKIPPED = {"_pytest", "uvloop"}


def main() -> int:
    """Import them; exits 1 naming those that cannot be loaded."""
    failed, loaded = [], 0
    for module, distributions in sorted(metadata.packages_distributions().items()):
        files = [file for name in set(distributions) for file in metadata.files(name) or []]
        if module in SKIPPED or not module.isidentifier() or not any(".so" in file.suffixes for file in files):
            continue
        try:
            importlib.import_module(module)
            loaded += 1
        except OSError as error:
            failed.append(f"{module}: {error}")
        except ImportError as error:
            if "cannot open shared object file" in str(error):
                failed.append(f"{module}: {error}")
    print(f"{loaded} packages with native code loaded", *failed, sep="\n")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
