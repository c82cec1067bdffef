"""History -> findings: what is checked always, and what this document asked for.

How it works. A checker never sees a broker: it has the history, the table of what is owed, and the document.

* ``models`` are what clients can do to a system (append to a log), one package each, with the properties that must hold
  of every run, one file each. No field of a document turns one off. What a weaker request is not owed is in the table
  of the target (``guarantees``), which every finding quotes.
* ``common`` are the properties that every model shares: whether the recording is good enough to judge by.
* ``evaluate`` judges the document's own limits (``skerry.expectations``), by the wider bound of every bracket.

The verdict is the worst finding, with one exception to "worst": expectations of a fault that was not verified are
Inconclusive (``NotVerified``), whatever they measured; safety findings always stand.

What has not been shown is never a Pass. A property that crashes or says nothing is Inconclusive (``CheckerCrashed``,
``CheckerSilent``); so are an empty or cut-off history, a run without an acknowledgement, a final read that did not
reach the end, a replica that was not dumped, a metric without a sample, an expectation that nothing could answer.

An operation that timed out is *unknown*, not failed: it may have happened and may still happen. Only a definite error
means "not written".
"""

from skerry.checker.judge import check, document_of, judge, verdict_of
from skerry.checker.model import Model
from skerry.checker.models import MODELS
from skerry.checker.models.log import PROPERTIES
from skerry.checker.property import Property

__all__ = ["MODELS", "PROPERTIES", "Model", "Property", "check", "document_of", "judge", "verdict_of"]
