"""``skerry-broker``, and ``python -m skerry_broker``: what comes before everything else, so that a broker starts soon.

Brokers and their clients speak plain HTTP. Yet aiohttp, while it is imported, reads every certificate that this machine
trusts, for longer than the whole core takes; so this process trusts none. And what is imported stays: looking for
garbage in it again and again would take as long. `process` begins with that when everything is there.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    os.environ["SSL_CERT_FILE"] = os.devnull
    gc.disable()
    from skerry_broker.process import run

    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


if __name__ == "__main__":
    main()
