"""``python -m invrbench.cli``: the same program without its console script."""

import sys

from invrbench.cli.main import main

sys.exit(main())
