"""A text of the document that is a word of its target: in a schema, which is made for no document, those of all targets
are known."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema

from skerry.schema.base import JsonObject


class WordOfSomeTarget:
    """Annotates a text. Whether the document's own target has the word is said by a rule of the document."""

    def __init__(self, words: Callable[[], tuple[str, ...]]) -> None:
        """``words``: those of all targets, asked for when a schema is made."""
        self._words = words

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonObject:
        return {"type": "string", "enum": list(self._words())}
