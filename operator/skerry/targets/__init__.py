"""What a system under test is: how to reach it, what it shows of itself, how to write to it and read from it.

A target translates; it decides nothing. Everything above it (worlds) speaks of nodes, units, values and links. `port`
says what a target is made of, `registry` which ones there are; every other module here is the folder of one target.
"""
