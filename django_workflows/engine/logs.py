"""Makes what this package logs safe: no line can be forged with a name or a message, and no password is written."""

from __future__ import annotations

import logging
import re
from typing import Any

from ..conf import settings
from ..core.masking import Masking, masking_of

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PLAIN = (bool, int, float, type(None))
_tracebacks = logging.Formatter()


class SafeLogs(logging.Filter):
    """Lets every record pass, its arguments in one line and masked, its traceback masked."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True."""
        try:
            masking = masking_of(settings.MASKED_KEYS)
            if isinstance(record.args, tuple):
                record.args = tuple(_safe(arg, masking) for arg in record.args)
            if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
                record.exc_text = masking.text(_tracebacks.formatException(record.exc_info))
        except Exception:  # noqa: BLE001, S110 - a log line must not fail what it tells of
            pass
        return True


def _safe(arg: Any, masking: Masking) -> Any:
    if isinstance(arg, _PLAIN):
        return arg
    return _CONTROLS.sub(lambda found: found.group().encode("unicode_escape").decode(), masking.text(str(arg)))


def make_logs_safe() -> None:
    """Put the filter before this package's logger, once."""
    logger = logging.getLogger("django_workflows")
    if not any(isinstance(each, SafeLogs) for each in logger.filters):
        logger.addFilter(SafeLogs())
