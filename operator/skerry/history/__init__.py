"""The recorded run: what every client did and saw, every fault, every observation, on one clock.

A history is enough to judge a run again (`skerry check`): the checker never sees a broker. It is a JSON Lines file,
one record a line, in the order of recording; a line that was cut off by a crash ends it.
"""
