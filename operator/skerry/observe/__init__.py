"""What is looked at in a run, how often, and which record it becomes. Pure: `observer.Observer` asks and hears.

A driver carries every `Ask` out, whenever it likes but once, and gives back what it `Heard`. Each ask goes to one node:
its status with its kept-open links, its metrics, or new connections to its peers. What is heard becomes the latest
view for the conductor, and records in the history: every status, every change of a link, every election once, every
stall once, metrics that are asked for, and the end of a process that ended by itself.
"""
