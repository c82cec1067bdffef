"""A run, told: live in the terminal while it happens, and afterwards as text, JSON, JUnit XML and one HTML file.

Nothing here judges: findings come in, words and pictures go out.

* ``live`` draws what goes on (``timeline`` keeps the strips); plain lines where there is no terminal.
* ``model`` is one run as everybody renders it, ``docs/report-format.md`` its JSON.
* ``causes`` orders findings by what a person understands first and tells one cause once; ``reasons`` is the table of
  what to do about an Inconclusive, and the source of ``docs/inconclusive.md``.
* ``occurrences`` puts the steps of every fault together; ``story`` says them in order, ``picture`` (with ``lanes``)
  draws them, ``witnesses`` finds the records that prove a failure.
* ``intervals`` says since when and until when each fault held, ``pairs`` which broker saw what of which meanwhile;
  ``offsets`` is who said what of an offset that a finding convicts.
* ``plan`` renders what a document will do.
* ``html``, ``terminal``, ``junit``, ``files`` render.

One clock: everything is placed on the run's clock. What a broker stamped with its wall clock (an election) is placed by
its distance from the start of the run, and never after the moment at which the runner had seen it.
"""
