#!/bin/sh
# A crude simulator in the shell, to show the protocol: `SEED theta1 theta2` in, two numbers out. Counts the successes of
# two series of 20 trials with the given probabilities. The generator is a small one of its own, started from SEED.
while read -r seed p1 p2; do
  # awk has no integers of 63 bits: the shell makes two small ones of the seed
  awk -v a=$((seed % 2147483646 + 1)) -v p1="$p1" -v p2="$p2" '
    function uniform() { a = (a * 16807) % 2147483647; return a / 2147483647 }
    BEGIN {
      for (i = 0; i < 20; i++) { n1 += uniform() < p1; n2 += uniform() < p2 }
      print n1 + 0, n2 + 0
    }'
done
