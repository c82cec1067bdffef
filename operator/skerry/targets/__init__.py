"""What a system under test is: how to reach it, what it shows of itself, how to write to it and read from it.

A target translates; it decides nothing. Everything above it (worlds) speaks of brokers, partitions, values and links.
"""
