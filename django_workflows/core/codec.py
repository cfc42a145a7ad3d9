"""What a codec promises, and the codec of values without an annotation.

What is encoded is decoded once more and compared, so that nothing reaches a journal that would come back as
something else. No class is named in the text: the annotation alone decides what comes back.
"""

from __future__ import annotations

import sys
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from ..exceptions import InvalidPayload, PayloadTooLarge
from .misfits import explained, find_misfit
from .plain_json import SCALARS, find_fault, from_text, scalar_text, size_of, to_text
from .round_trip import find_loss
from .unfit import Unfit

PREVIEW_BYTES = 80

T = TypeVar("T")


class Codec(Generic[T]):
    """How values of one annotation travel: a Python value to canonical JSON text, and back.

    A codec of your own (see ``register_codec``) says what to do in ``to_jsonable`` and ``from_jsonable``, and in
    ``convert``, ``from_outside`` and ``json_schema`` (without ``$defs``) if it likes. It may raise any exception for a
    value that it cannot take.
    """

    annotation: Any
    #: The types whose instances, when of exactly that type, are their own JSON value.
    scalars: frozenset[type] = frozenset()
    #: Whether nothing of the user's is called when a value is read.
    calls_nobody = False
    #: What reading a value may raise that is a failure of whoever reads, and not of the code or the text.
    passes: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation

    @cached_property
    def for_workflows(self) -> Codec[T]:
        """The codec by which a workflow function reads these texts: always as the same value, on each replay."""
        return self

    def to_jsonable(self, value: T) -> Any:
        """``value`` in None, bool, int, float, str, list and dict."""
        raise NotImplementedError

    def from_jsonable(self, value: Any) -> T:
        """The value that ``to_jsonable`` made this of."""
        raise NotImplementedError

    def convert(self, value: Any) -> T:
        """``value``, which a caller passed or a function returned, as an instance of the annotation."""
        return value  # type: ignore[no-any-return]

    def from_outside(self, value: Any) -> T:
        """``value``, which a client or a person gave, as an instance of the annotation: JSON values or Python's."""
        return self.convert(value)

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of what ``from_outside`` takes; ``{}`` allows anything."""
        return {}

    def stored_schema(self) -> dict[str, Any]:
        """The JSON Schema of what journals keep."""
        return self.json_schema()

    def encode(self, value: T, *, what: str, max_bytes: int) -> str:
        """The text of ``value``; see ``encode_checked``."""
        return self.encode_checked(value, what=what, max_bytes=max_bytes)[0]

    def encode_checked(self, value: T, *, what: str, max_bytes: int) -> tuple[str, T]:
        """The text of ``value``, and what it decodes to, which is what everyone after the caller will see.

        ``InvalidPayload``, in one line that begins with ``what``, if the value does not fit the annotation, has no
        JSON, or would not come back the same; ``PayloadTooLarge`` beyond ``max_bytes`` of text.
        """
        try:
            if type(value) in self.scalars:
                return check_size(scalar_text(value), what=what, max_bytes=max_bytes), value
            return self.write(self.convert(value), what=what, max_bytes=max_bytes)
        except InvalidPayload:
            raise
        except Exception as error:
            raise InvalidPayload(f"{what}: {explained(value, error)}") from error

    def decode(self, text: str, *, what: str = "a stored value") -> T:
        """The value that ``text`` was made of; ``InvalidPayload`` if it does not fit the annotation (any more)."""
        try:
            return self.read(text)
        except self.passes:
            raise
        except Exception as error:
            raise InvalidPayload(f"{what} cannot be read: {Unfit.of(error)}") from error

    def write(self, value: T, *, what: str, max_bytes: int) -> tuple[str, T]:
        """``encode_checked`` of a converted value, for callers that put errors into words themselves (``Unfit.of``)."""
        text = check_size(to_text(self.to_jsonable(value)), what=what, max_bytes=max_bytes)
        back = self.read(text)
        if loss := self.find_loss(value, back):
            raise loss
        return text, back

    def read(self, text: str) -> T:
        """``decode``, for callers that put errors into words themselves (``Unfit.of``)."""
        return self.from_jsonable(from_text(text))

    def find_loss(self, sent: T, back: T) -> Unfit | None:
        """What keeps ``back`` from being ``sent``; ``None`` when nothing does."""
        return find_loss(sent, back, by_type=False)


class PlainCodec(Codec[Any]):
    """Any JSON value, and nothing else: for what has no annotation."""

    scalars = SCALARS
    calls_nobody = True

    def to_jsonable(self, value: Any) -> Any:
        return value

    def from_jsonable(self, value: Any) -> Any:
        return value

    def from_outside(self, value: Any) -> Any:
        return self.write(value, what="", max_bytes=sys.maxsize)[1]

    def find_loss(self, sent: Any, back: Any) -> Unfit | None:
        try:
            if sent == back:
                return None
        except Exception:  # noqa: BLE001, S110 - a user's __eq__ may do anything; the parts decide instead
            pass
        return find_fault(sent) or find_misfit(sent)


PLAIN = PlainCodec(Any)


def check_size(text: str, *, what: str, max_bytes: int) -> str:
    """``text``, unless its bytes (in UTF-8) are more than ``max_bytes``: ``PayloadTooLarge``."""
    if 4 * len(text) <= max_bytes:  # no letter has more bytes
        return text
    size = size_of(text)
    if size > max_bytes:
        raise PayloadTooLarge(
            f"{what}: {size:,} bytes of JSON, and {max_bytes:,} are allowed. It begins with "
            f"{text[:PREVIEW_BYTES]} ... Keep large data in your own tables or files, and pass its id."
        )
    return text
