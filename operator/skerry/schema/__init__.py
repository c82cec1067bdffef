"""What documents and recordings are made of: the lowest layer, pure, known to every other package.

`base` is the shape of every model of a document and its scalar types (durations, names, numbers), `vocabulary` its
enums, `targets` how a document names brokers, `cel` the pieces of which the CRD's rules are put together, and
`verdict` what a run ends with. Faults, expectations and targets define their parts of the document from these, and
`skerry.experiment` composes the document from their parts.
"""
