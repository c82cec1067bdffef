"""The laboratory: one ChaosExperiment in, one verdict with its evidence out."""
