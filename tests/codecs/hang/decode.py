"""Waits for what never comes."""

import time

while True:
    time.sleep(1)
