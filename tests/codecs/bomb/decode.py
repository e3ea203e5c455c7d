"""Takes 50 MB more ten times a second."""

import time

held = []
while True:
    held.append(bytes([len(held) % 255 + 1]) * 50_000_000)
    time.sleep(0.1)
