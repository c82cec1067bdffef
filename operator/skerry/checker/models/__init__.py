"""The models: one package each, and a line in this registry.

A new model is a package that ends in ``MODEL = Model(name, prepare, properties, expectations)`` and a line here. It
shares ``skerry.checker.common`` (the recording, stalls) by naming it.
"""

from __future__ import annotations

from skerry.checker.model import Model
from skerry.checker.models import log, register

MODELS: dict[str, Model] = {model.name: model for model in (log.MODEL, register.MODEL)}
"""By the name that the header of a history carries."""
