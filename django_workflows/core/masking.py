"""Hides what nobody should read over a shoulder: values under telling keys of a payload, and secrets inside texts.

Whatever a client sends may be masked, so the work grows with the length of a text and no faster: a text is read once,
from the left; every pattern here begins at a place that is known, and what one of them has read is not read again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

#: What stands in the place of a value that is hidden.
MASK = "********"

#: Parts of keys whose values are hidden where a project says nothing else. Compared without case, ``_``, ``-``, ``.``.
SENSITIVE = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "authorization",
    "api_key",
    "access_key",
    "private_key",
    "credential",
    "cookie",
    "session_id",
    "card_number",
    "cvv",
    "iban",
    "ssn",
)

#: What is nested more deeply than a journal can hold is not looked at.
MAX_DEPTH = 100

#: From, to (excluded), of what is hidden in a text.
Span = tuple[int, int]

_SEPARATORS = re.compile(r"[\s_.\-]+")
#: The rest of a key, and so many characters of one before the word in it are looked at.
_RUN, _BACK = re.compile(r"[\w.\-]*"), 64
_LIKE_A_KEY = re.compile(r"[\w.\-]+\Z")
# Percent-encoded once or more often: the quotes, and what separates a key from its value.
_QUOTE = r"""\\*["'`]|%(?:25)*2[27]"""
_FOLLOWS = re.compile(
    rf"(?:{_QUOTE})?\]?(?:\s|%(?:25)*20)*(?P<sign>:=|=>|->|==?|:|%(?:25)*3[ad])(?:%(?:25)*20)*", re.IGNORECASE
)
_SPACE = re.compile(r"\s*")
_NEXT_LINE = re.compile(r"[ \t]*\r?\n(?P<indent>[ \t]*)")
_NEXT_KEY = re.compile(r"""["']?[\w.\-]+["']?[ \t]*[=:]""")
_INDENTED = re.compile(r"(?:[ \t]+[^\n]*(?:\n|\Z)|\r?\n)+")
_BLOCK = re.compile(r"[|>][-+0-9]*[ \t]*\r?\n")

_OPENING = re.compile(r"""(?:[bru]|[br]{2}|f)?(?P<slashes>\\*)(?P<quote>\"{3}|'{3}|["'`])""", re.IGNORECASE)
_ENCODED = re.compile(r"%(?:25)*2[27]", re.IGNORECASE)
_ENCODED_END = re.compile(r"""(?:(?!%(?:25)*(?:26|3b|22|27|2c|7d|5d|0a|0d|20))[^\s&,;)}\]"'<>])+""", re.IGNORECASE)
_BRACKETS = re.compile(r"[\[({]|[A-Za-z_][\w.]*\(")
_BRACKET = re.compile(r"""(?<!\\)\\*["']|[()\[\]{}]""")
_ANGLE = re.compile(r"<[^<>\n]*>")
# What may end a value does not where more of a word follows at once, unless that is the next key.
_BARE = re.compile(
    r"""(?: [^\s,;&)}\]"'`\\] | \\(?!\\{0,15}["'`]) | [,;&)}\]"'`](?=\w)(?![\w.\-]+["']?\s*[=:]) )+""", re.VERBOSE
)
_SCHEMES = "bearer|basic|digest|token|apikey|api-key|jwt|negotiate|ntlm|hoba|mutual|oauth|dpop|vapid|privatetoken|key"
_SCHEME = re.compile(rf"(?:(?:{_SCHEMES}|aws4-[\w-]+|scram-[\w-]+)(?:[ \t]+|%20|\+))+", re.IGNORECASE)
_ANY_SCHEME = re.compile(r"[A-Za-z][\w\-]*[ \t]+")
_AUTH_PARAMS = re.compile(r"""[\w\-]+=(?:"[^"]*"|[^\s,"']+)(?:,[ \t]*[\w\-]+=(?:"[^"]*"|[^\s,"']+))*""")
_COOKIES = re.compile(r"""[^\s;,"']+(?:;[ \t]*[^\s;,"'=]+(?:=(?:"[^"]*"|[^;,"'\n]*))?)*""")
_HTTP = re.compile(r"[\w.~+/=:\-]+")

_IN_A_PAIR = re.compile(r"""[(\[]\s*b?\\*["']\Z""")
_AND_THEN = re.compile(r"""\\*["']\s*,\s*(?=b?\\*["'])""")
_PAIR_ENDS = re.compile(r"\s*,?\s*[)\]]")
_OPTION = re.compile(r"(?:[ \t]+)(?=[^\s\-])")
_QUOTED_NEXT = re.compile(r"""[ \t]+(?=')""")
_ELEMENT = re.compile(r"<[\w.\-]*:?\Z")
_ELEMENT_OPENS = re.compile(r"[^<>]{0,200}(?<!/)>")
_INPUT = re.compile(r"""\\*["'][^<>]{0,200}?\svalue\s*=\s*(?=["'\\])""")
_NAMED = re.compile(r"""(?:name|id|key)\s*=\s*\\*["']\Z""", re.IGNORECASE)
_FORM_DATA = re.compile(r"""\\*["'](?:\r?\n|\\r\\n|\\n){2}""")
_FORM_ENDS = re.compile(r"(?:\r?\n|\\r\\n|\\n)--|\Z")
_VALIDATION = re.compile(r"[^\s=:]{0,200}[ \t]*\n[ \t]+[^\n]{0,2000}?\[type=\w+, input_value=")

_OF_MESSAGE = re.compile(r"(?:parameter|argument|field) '\Z|\bat /[^\s:]*\Z")
_GOT = re.compile(r"[^\n]{0,400}?, got (?P<value>[^\n]{0,400}?)(?= \(\w+\))")

_USERINFO = re.compile(r"""[^\s/?#"'<>]*@""")
_ODD_USERINFO = re.compile(r"""[^\s/?#"'<>:@\[]*:(?!\d{1,5}(?:[/?#\s"'<>]|\Z))[^\s"'<>]{1,300}@""")
_ENCODED_USERINFO = re.compile(
    r"""(?:(?!%(?:25)*(?:3a|2f))[^\s&"'<>:/]){0,100}%(?:25)*3a[^\s&"'<>:/]{0,300}%(?:25)*40""", re.IGNORECASE
)
_ENCODED_COLON, _ENCODED_AT = re.compile(r"%(?:25)*3[aA]"), re.compile(r"%(?:25)*40\Z")

# Looked for in a text in small letters. Each begins with a letter, by which ``re`` skips what cannot be one; the empty
# groups say what was found.
_OTHERS = (
    r":(?:\\?/){2}(?P<url>)",
    r"%(?:25)*3a(?:%(?:25)*2f){2}(?P<encoded>)",
    r"-----begin [a-z0-9 ]{0,40}private key(?: block)?-----(?P<pem>)",
    r"b(?<!\wb)(?:earer|asic)\s+(?=[\w.~+/=:-]{6})(?P<http>)",
    r"d(?<!\wd)igest\s+(?=[\w.~+/=:-]{6})(?P<digest>)",
    r"t(?<!\wt)oken\s+(?=[0-9a-f]{32})(?P<hex>)",
)
_CUT = r"i(?<!\wi)nput_value=(?=[\w.]*[\[({])(?P<cut>)"


class Masking:
    """Hides the values whose keys contain one of ``words``. Never changes what it is given."""

    def __init__(self, words: Iterable[str] = SENSITIVE) -> None:
        parts = sorted({_plain(word) for word in words} - {""}, key=len, reverse=True)
        self._key = re.compile("|".join(map(re.escape, parts))) if parts else None
        loose = [r"[\s_.\-]{0,2}".join(map(re.escape, part)) for part in parts]
        self._marks = re.compile("|".join([*_OTHERS, _CUT, *loose] if loose else _OTHERS))

    def hides(self, key: object) -> bool:
        """Whether the value under ``key`` is hidden."""
        return self._key is not None and isinstance(key, str) and self._key.search(_plain(key)) is not None

    def value(self, value: Any, depth: int = 0) -> Any:
        """``value``, made of dicts, lists and scalars, with ``MASK`` in the place of what is hidden.

        Texts in it are masked as ``json`` does. ``None`` stays: that nothing was given is no secret. What is nested
        deeper than a journal can hold is hidden. Where nothing is hidden the value itself is returned.
        """
        if depth > MAX_DEPTH:
            return MASK
        if isinstance(value, str):
            return self._string(value, depth)
        if isinstance(value, dict):
            return self._dict(value, depth)
        if isinstance(value, (list, tuple)):
            return self._list(value, depth)
        return value

    def json(self, text: str | None) -> str | None:
        """``value`` of a JSON text, as text, which stays as it is where nothing of it is hidden.

        A text that is no JSON is treated as ``text``.
        """
        return None if text is None else self._json(text, 0)

    def text(self, text: str) -> str:
        """A message, traceback or log line without what is a secret by the structure around it.

        Hidden are values of telling keys, however they are written (``key=value``, JSON, Python, headers, options,
        query strings, XML, forms), passwords in URLs, credentials of HTTP, and private keys. It cannot know a secret
        that stands there by itself.
        """
        small = _small(text)
        found = self._marks.search(small)
        if found is None:
            return text
        shown, done = [], 0
        while found is not None:
            hidden = self._hidden(text, small, found, done)
            resume = found.end()
            if hidden is not None:
                start, end, instead = hidden
                shown += [text[done:start], instead]
                done = resume = max(end, resume)
            elif found.lastgroup is None:
                resume = _end(_RUN, text, resume)
            found = self._marks.search(small, resume)
        return "".join([*shown, text[done:]])

    def _dict(self, value: dict[Any, Any], depth: int) -> Any:
        found = {key: self._item(key, item, depth) for key, item in value.items()}
        if found.get("value") is not None and any(self._names(value.get(name)) for name in _NAMES):
            found["value"] = MASK  # {"name": "password", "value": ...}, as of forms, headers and variables
        return found if any(found[key] is not item for key, item in value.items()) else value

    def _item(self, key: Any, item: Any, depth: int) -> Any:
        return MASK if item is not None and self.hides(key) else self.value(item, depth + 1)

    def _list(self, value: list[Any] | tuple[Any, ...], depth: int) -> Any:
        if len(value) == 2 and isinstance(value[1], str) and self._names(value[0]):
            return [value[0], MASK]  # a header, or a parameter
        found = [self.value(item, depth + 1) for item in value]
        if isinstance(value, list) and all(map(_is, found, value)):
            return value
        return found

    def _names(self, text: Any) -> bool:
        return isinstance(text, str) and _LIKE_A_KEY.match(text) is not None and self.hides(text)

    def _string(self, text: str, depth: int) -> str:
        return self._json(text, depth + 1) if text.lstrip()[:1] in _JSON_BEGINS else self.text(text)

    def _json(self, text: str, depth: int) -> str:
        try:
            decoded = json.loads(text)
        except (ValueError, RecursionError):
            return self.text(text)
        masked = self.value(decoded, depth)
        return text if masked is decoded else json.dumps(masked, separators=(",", ":"))

    def _hidden(self, text: str, small: str, found: re.Match[str], done: int) -> tuple[int, int, str] | None:
        """From where to where, and what is shown instead; ``None`` if this is no secret."""
        match found.lastgroup:
            case "cut":
                return self._cut_short(text, found.end())
            case "pem":
                span: Span | None = (found.start(), _end_of_pem(text, found.end()))
            case "url":
                span = _in_url(text, found.end())
            case "encoded":
                span = _in_encoded_url(text, found.end())
            case "http" | "digest" | "hex":
                span = (found.end(), _end_of_credentials(text, found.end()))
            case _:
                span = _of_key(text, found, done)
        return None if span is None else (*span, MASK)

    def _cut_short(self, text: str, start: int) -> tuple[int, int, str] | None:
        """What pydantic shows of an input, less its middle: of what follows that, nobody knows the key."""
        end = text.find(", input_type=", start, start + 400)
        gap = text.find("...", start, end) if end > 0 else -1
        return None if gap < 0 else (start, end, f"{self.text(text[start:gap])}...{MASK}")


_JSON_BEGINS, _NAMES = ("{", "[", '"'), ("name", "key", "header", "field", "variable")


def _is(one: object, other: object) -> bool:
    return one is other


def _of_key(text: str, found: re.Match[str], done: int) -> Span | None:
    """The value of the key in which a telling word was found, by whatever binds the two."""
    before, end = text[max(done, found.start() - _BACK) : found.start()], _end(_RUN, text, found.end())
    key = text[found.start() : end].lower()
    in_key = len(before)
    while in_key and (before[in_key - 1].isalnum() or before[in_key - 1] in "_.-"):
        in_key -= 1
    key, before = f"{before[in_key:].lower()}{key}", before[:in_key]
    follows = _FOLLOWS.match(text, end)
    if follows is not None:
        is_own = follows["sign"] == ":" and _OF_MESSAGE.search(before)
        return _of_message(text, follows.end()) if is_own else _after_sign(text, follows, key)
    return _of_element(text, before, end) or _of_bare_key(text, before, end, key)


def _of_message(text: str, start: int) -> Span | None:
    """The value in a message of this package's own, which says what is wrong with it first."""
    got = _GOT.match(text, start)
    return None if got is None else (got.start("value"), got.end("value"))


def _after_sign(text: str, follows: re.Match[str], key: str) -> Span | None:
    """What stands after a colon or an equals sign, in this line or the next."""
    if follows["sign"][0] == "%":
        return follows.end(), _end_of_encoded(text, follows.end())
    start = _end(_SPACE, text, follows.end())
    line = _NEXT_LINE.match(text, follows.end())
    if line is not None and start < len(text):
        if follows["sign"] == ":" and len(line["indent"]) > _indent(text, follows.start()):
            return start, _end_of_lines(text, line.start("indent"))
        if _NEXT_KEY.match(text, start):
            return None
    end = _end_of_value(text, start, key)
    return (start, end) if end > start else None


def _end_of_value(text: str, start: int, key: str) -> int:
    """Where a value ends that begins at ``start``; there, if there is none."""
    opening = _OPENING.match(text, start)
    if opening is not None:
        return _end_of_strings(text, opening)
    if _BRACKETS.match(text, start):
        return _end_of_brackets(text, start)
    if text.startswith("-----BEGIN", start):
        return _end_of_pem(text, start)
    for pattern in (_ANGLE, _BLOCK):
        if found := pattern.match(text, start):
            return found.end() if pattern is _ANGLE else _end_of_lines(text, found.end())
    if "cookie" in key:
        return max(_end(_COOKIES, text, start), _end(_BARE, text, start))
    scheme = (_ANY_SCHEME if "authorization" in key else _SCHEME).match(text, start)
    if scheme is None:
        return _end(_BARE, text, start)
    return max(_end_of_credentials(text, scheme.end()), _end(_BARE, text, start))


def _of_element(text: str, before: str, end: int) -> Span | None:
    """The value of a field in XML, HTML, or a form's body."""
    if _ELEMENT.search(before) and (opens := _ELEMENT_OPENS.match(text, end)):
        close = text.find("<", opens.end())
        return opens.end(), len(text) if close < 0 else close
    if not _NAMED.search(before):
        return None
    if form := _FORM_DATA.match(text, end):
        ends = _FORM_ENDS.search(text, form.end())
        assert ends is not None
        return form.end(), ends.start()
    found = _INPUT.match(text, end)
    return None if found is None else (found.end(), _end_of_value(text, found.end(), ""))


def _of_bare_key(text: str, before: str, end: int, key: str) -> Span | None:
    """The value of a key that has no sign after it: of an option, in a pair, quoted, or as pydantic tells of it."""
    if then := _AND_THEN.match(text, end):
        return _of_pair(text, before, then.end(), is_option=key.startswith("--"))
    if key.startswith("--") and (space := _OPTION.match(text, end)):
        return space.end(), _end_of_value(text, space.end(), "")
    if key != "token" and (space := _QUOTED_NEXT.match(text, end)):  # PASSWORD '...', as SQL has it
        return space.end(), _end_of_value(text, space.end(), "")
    if told := _VALIDATION.match(text, end):
        close = text.find(", input_type=", told.end())
        return told.end(), len(text) if close < 0 else close
    return None


def _of_pair(text: str, before: str, start: int, *, is_option: bool) -> Span | None:
    """``('password', 'x')``, and ``'--password', 'x'``; a longer list is one of names."""
    end = _end_of_value(text, start, "")
    if is_option and before[-1:] in ("'", '"'):
        return start, end
    return (start, end) if _IN_A_PAIR.search(before) and _PAIR_ENDS.match(text, end) else None


def _end_of_strings(text: str, opening: re.Match[str]) -> int:
    """The end of a quoted text, and of those that follow at once, which Python joins."""
    while True:
        end = _end_of_string(text, opening.end(), opening["quote"], len(opening["slashes"]))
        more = _OPENING.match(text, _end(_SPACE, text, end)) if opening["quote"] in "'\"" else None
        if more is None or more["quote"] != opening["quote"] or more["slashes"] != opening["slashes"]:
            return end
        opening = more


def _end_of_string(text: str, start: int, quote: str, slashes: int) -> int:
    """Behind the quote that ends a text; of one that is cut off, the end of all.

    A text inside of others has a backslash before its quotes, three one level further in, and so on: of what is
    escaped in it the quotes have more.
    """
    place = start
    while (place := text.find(quote, place)) >= 0:
        before = place
        while before > start and text[before - 1] == "\\":
            before -= 1
        if (place - before) % (2 * (slashes + 1)) <= slashes:
            return place + len(quote)
        place += 1
    return len(text)


def _end_of_brackets(text: str, start: int) -> int:
    """Behind the bracket that closes the first one; of what is cut off, the end of all."""
    depth, found = 0, _BRACKET.search(text, start)
    while found is not None:
        last, end = found[0][-1], found.end()
        if last in "\"'":
            end = _end_of_string(text, end, last, len(found[0]) - 1)
        else:
            depth += 1 if last in "[({" else -1
            if depth == 0:
                return end
        found = _BRACKET.search(text, end)
    return len(text)


def _end_of_encoded(text: str, start: int) -> int:
    quote = _ENCODED.match(text, start)
    if quote is None:
        return _end(_ENCODED_END, text, start)
    close = text.find(quote[0], quote.end())
    return len(text) if close < 0 else close + len(quote[0])


def _end_of_pem(text: str, start: int) -> int:
    end = text.find("-----END", start)
    close = text.find("-----", end + 8) if end >= 0 else -1
    return len(text) if close < 0 else close + 5


def _end_of_credentials(text: str, start: int) -> int:
    """The end of what follows a scheme of HTTP's authorization: parameters, or one word."""
    if found := _OPENING.match(text, start):
        return _end_of_strings(text, found)
    return max(_end(_AUTH_PARAMS, text, start), _end(_HTTP, text, start), _end(_BARE, text, start))


def _in_url(text: str, start: int) -> Span | None:
    """The password before the host's name, which may hold what it should not: the last @ ends it."""
    user = _USERINFO.match(text, start) or _ODD_USERINFO.match(text, start)
    colon = text.find(":", start, user.end()) if user else -1
    return None if user is None or colon < 0 else (colon + 1, user.end() - 1)


def _in_encoded_url(text: str, start: int) -> Span | None:
    user = _ENCODED_USERINFO.match(text, start)
    if user is None:
        return None
    colon, at = _ENCODED_COLON.search(text, start), _ENCODED_AT.search(user[0])
    assert colon is not None and at is not None
    return colon.end(), start + at.start()


def _end_of_lines(text: str, start: int) -> int:
    """The end of the lines that are indented, without what ends the last of them."""
    end = _end(_INDENTED, text, start)
    while end > start and text[end - 1] in "\r\n":
        end -= 1
    return end


def _indent(text: str, place: int) -> int:
    line = text[text.rfind("\n", max(place - 200, 0), place) + 1 : place]
    return len(line) - len(line.lstrip())


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.match(text, start)
    return start if found is None else found.end()


def _small(text: str) -> str:
    """``text`` in small letters, each at its place."""
    small = text.lower()
    return small if len(small) == len(text) else text.translate(_TO_SMALL)


_TO_SMALL = {ord(letter): ord(letter.lower()) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def _plain(key: str) -> str:
    return _SEPARATORS.sub("", key).lower()


class _Project:
    """Whose words count where a message is made: core knows no settings, so these are handed in."""

    words: Callable[[], tuple[str, ...]] = staticmethod(lambda: SENSITIVE)


def follow(words: Callable[[], tuple[str, ...]]) -> None:
    """Have ``project_masking`` go by these words."""
    _Project.words = staticmethod(words)


def project_masking() -> Masking:
    """For messages that quote what somebody gave."""
    return masking_of(tuple(_Project.words()))


@lru_cache(maxsize=16)
def masking_of(words: tuple[str, ...]) -> Masking:
    """The ``Masking`` of these words, made once: ``masking_of(settings.MASKED_KEYS)``."""
    return Masking(words)
