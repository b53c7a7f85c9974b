#!/usr/bin/env python3
"""A simulator as an external command: the first ten waits at a counter with one clerk.

Each line of input is one simulation: SEED arrival_rate service_rate. Each line of output is its ten numbers. All random
numbers come from SEED, so a simulation is the same in any batch and on any number of ranks.
"""
import random
import sys

for line in sys.stdin:
    seed, arrival_rate, service_rate = line.split()
    rng = random.Random(int(seed))
    wait, waits = 0.0, []
    for _ in range(10):
        waits.append(wait)
        wait += rng.expovariate(float(service_rate)) - rng.expovariate(float(arrival_rate))
        wait = max(wait, 0.0)
    if max(waits) > 1e6:
        print("failed: the queue grew without end", flush=True)
        continue
    print(*waits, flush=True)  # flush, or the line stays in Python's buffer
