"""Fails with a sentence on standard error."""

import sys

print("error: the flux capacitor is empty", file=sys.stderr)
sys.exit(3)
