"""Counts aloud, so that a gap in its log shows."""

import itertools
import time

for number in itertools.count(1):
    print(f"count {number}", flush=True)
    time.sleep(0.1)
