"""Pure data: the ChaosExperiment document and the verdict. The CRD is generated from these models."""
