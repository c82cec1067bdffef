"""What a document may expect of a run: one file an expectation, all of one shape, and a line in `registry`.

What means something to one model of what clients do, and to no other, stands in a package of its own (`log`), with the
facts that are told of such a system.

How it works. A file has the expectation's part of the document (its body) and its judge. The judge gets the body and
the facts of the run (`facts.RunFacts`: brackets of the faults, windows; of a log also leader epochs, samples,
acknowledgements), and gives one judgement per occurrence of the fault or per partition. `skerry.checker.evaluate` takes
the worst of them, and applies the rules that are the same for all: an expectation of a fault that was not verified is
Inconclusive, and so is one whose outcome a stall may have made. Document, CRD, reference page, refusals and report know
an expectation from the registry.

Attributes of bodies that end in ``_ns`` are as written; `Experiment.limit_ns` scales them by `cluster.timing`.
"""
