"""What is hidden in payloads and texts, and what is not."""

from __future__ import annotations

import json
import pprint
import time
from collections.abc import Callable
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_workflows.core.masking import MASK, SENSITIVE, Masking, masking_of

masking = Masking()
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "key",
    ["password", "Password", "user_password", "apiKey", "API-KEY", "api.key", "X-Authorization", "accessToken"],
)
def test_a_telling_key_hides_its_value_however_it_is_written(key: str) -> None:
    assert masking.value({key: "s3cret", "user": "ann"}) == {key: MASK, "user": "ann"}


def test_it_hides_at_every_depth_and_whole_values() -> None:
    value = {"a": [{"b": ({"token": {"deep": ["s3cret"]}},)}], "tokens": ["s3cret"]}

    assert masking.value(value) == {"a": [{"b": [{"token": MASK}]}], "tokens": MASK}
    assert value["tokens"] == ["s3cret"], "what it was given is as it was"


def test_that_nothing_was_given_is_no_secret() -> None:
    assert masking.value({"password": None}) == {"password": None}


@given(values, st.sampled_from(SENSITIVE), st.text(alphabet="abcXYZ_-", max_size=5))
def test_no_secret_under_a_telling_key_is_left(value: object, word: str, around: str) -> None:
    secret = "5f1c-the-secret"

    shown = masking.json(json.dumps({"outer": [value, {f"{around}{word}{around}": secret}]}))

    assert secret not in str(shown)


@given(st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.just("k"), inner)))
def test_values_under_other_keys_stay(value: object) -> None:
    assert masking.value(value) == value


def test_a_text_that_is_no_json_is_masked_as_text() -> None:
    assert masking.json("password=hunter2 {") == f"password={MASK} {{"
    assert masking.json(None) is None
    assert masking.json("[" * 100_000) == "[" * 100_000


def test_what_is_nested_too_deeply_is_hidden() -> None:
    value: object = "s3cret"
    for _ in range(3000):
        value = [value]

    assert "s3cret" not in str(masking.value(value))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("login with password=hunter2 failed", f"login with password={MASK} failed"),
        ('{"api_key": "abc def", "n": 1}', f'{{"api_key": {MASK}, "n": 1}}'),
        ("{'token': 'abc', 'n': 1}", f"{{'token': {MASK}, 'n': 1}}"),
        ("Authorization: Bearer abcdef123456", f"Authorization: {MASK}"),
        ("got Bearer abcdef123456 instead", f"got Bearer {MASK} instead"),
        ("postgres://ann:hunter2@db/name", f"postgres://ann:{MASK}@db/name"),
        ("https://x.example/?q=1&access_token=abc&z=2", f"https://x.example/?q=1&access_token={MASK}&z=2"),
        ("the tokenizer: is fine", f"the tokenizer: {MASK} fine"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_texts_lose_what_looks_like_a_secret(text: str, shown: str) -> None:
    assert masking.text(text) == shown


SECRET = "hunter2-Xyz"

#: How a secret is written in what people log, and what is shown of it.
SHAPES = {
    "header": (f"Authorization: Token {SECRET}", f"Authorization: {MASK}"),
    "header of two lines": (f"Authorization: Token {SECRET}\nAccept: */*", f"Authorization: {MASK}\nAccept: */*"),
    "digest": (f'authorization: Digest username="ann", response="{SECRET}"\nok', f"authorization: {MASK}\nok"),
    "signature": (
        f"Authorization: AWS4-HMAC-SHA256 Credential=A/2, Signature={SECRET} ok",
        f"Authorization: {MASK} ok",
    ),
    "scheme under another key": (f"x-token=Bearer {SECRET} ok", f"x-token={MASK} ok"),
    "key of an api": (f"X-Api-Key: {SECRET}\nHost: x", f"X-Api-Key: {MASK}\nHost: x"),
    "headers as a dict": (repr({"Authorization": f"Basic {SECRET}=", "n": 1}), f"{{'Authorization': {MASK}, 'n': 1}}"),
    "headers as pairs": (repr([(b"cookie", SECRET.encode()), (b"n", b"1")]), f"[(b'cookie', {MASK}), (b'n', b'1')]"),
    "cookies": (f"Cookie: a=1; sid={SECRET}; b=2\nHost: x", f"Cookie: {MASK}\nHost: x"),
    "bytes": (f"password=b'{SECRET}', n=1", f"password={MASK}, n=1"),
    "pydantic's type": (f"user='ann' password=SecretStr('{SECRET}') n=1", f"user='ann' password={MASK} n=1"),
    "angles": (f"secret=<Secret: {SECRET}> n=1", f"secret={MASK} n=1"),
    "dataclass": (f"Login(user='ann', password='{SECRET}', n=1)", f"Login(user='ann', password={MASK}, n=1)"),
    "nested": (f"{{'tokens': [('a', '{SECRET}'), ']'], 'n': 1}}", f"{{'tokens': {MASK}, 'n': 1}}"),
    "quotes inside": (json.dumps({"token": f'"{SECRET}', "n": 1}), f'{{"token": {MASK}, "n": 1}}'),
    "joined texts": (f"{{'token': 'aaa '\n          '{SECRET}', 'n': 1}}", f"{{'token': {MASK}, 'n': 1}}"),
    "json in json": (
        json.dumps({"body": json.dumps({"password": SECRET, "n": 1})}),
        f'{{"body": "{{\\"password\\": {MASK}, \\"n\\": 1}}"}}',
    ),
    "json in a repr": (repr(json.dumps({"token": SECRET, "n": 1})), f'\'{{"token": {MASK}, "n": 1}}\''),
    "repr in a repr": (repr(repr({"token": SECRET + "'", "n": 1})), None),
    "address": (f"postgres://ann:{SECRET}@db/x", f"postgres://ann:{MASK}@db/x"),
    "address with an at": (f"postgres://ann:p@{SECRET}@db/x", f"postgres://ann:{MASK}@db/x"),
    "address with a slash": (f"postgres://ann:p/{SECRET}@db/x", f"postgres://ann:{MASK}@db/x"),
    "address without a user": (f"redis://:{SECRET}@db:6379/0", f"redis://:{MASK}@db:6379/0"),
    "address, escaped": (f"http:\\/\\/ann:{SECRET}@db", f"http:\\/\\/ann:{MASK}@db"),
    "address, encoded": (f"u=amqp%3A%2F%2Fann%3A{SECRET}%40db&n=1", f"u=amqp%3A%2F%2Fann%3A{MASK}%40db&n=1"),
    "query": (f"GET /x?token={SECRET}&n=1 HTTP/1.1", f"GET /x?token={MASK}&n=1 HTTP/1.1"),
    "query, encoded": (f"next=%2Fx%3Ftoken%3D{SECRET}%26n%3D1", f"next=%2Fx%3Ftoken%3D{MASK}%26n%3D1"),
    "json, encoded": (f"q=%7B%22token%22%3A%20%22{SECRET}%22%7D", f"q=%7B%22token%22%3A%20{MASK}%7D"),
    "brackets of PHP": (f"user[password]={SECRET}&n=1", f"user[password]={MASK}&n=1"),
    "arrow": (f"'password' => '{SECRET}', 'n' => 1", f"'password' => {MASK}, 'n' => 1"),
    "option": (f"run --db-password {SECRET} --n 1", f"run --db-password {MASK} --n 1"),
    "option with a sign": (f"run --token={SECRET} --n 1", f"run --token={MASK} --n 1"),
    "option in a list": (f"['run', '--token', '{SECRET}', '-n']", f"['run', '--token', {MASK}, '-n']"),
    "statement": (f"ALTER ROLE ann PASSWORD '{SECRET}';", f"ALTER ROLE ann PASSWORD {MASK};"),
    "xml": (f"<ns:password>{SECRET}</ns:password><n>1</n>", f"<ns:password>{MASK}</ns:password><n>1</n>"),
    "html": (
        f'<input name="token" type="hidden" value="{SECRET}">',
        f'<input name="token" type="hidden" value={MASK}>',
    ),
    "form": (f'; name="password"\r\n\r\n{SECRET}\r\n--x', f'; name="password"\r\n\r\n{MASK}\r\n--x'),
    "yaml": (f"password: |\n  a\n  {SECRET}\nn: 1", f"password: {MASK}\nn: 1"),
    "yaml, nested": (f"token:\n  value: {SECRET}\nn: 1", f"token:\n  {MASK}\nn: 1"),
    "next line": (f"Password:\n{SECRET}\n", f"Password:\n{MASK}\n"),
    "validation error": (
        f"1 error\na.password\n  Too long [type=string_too_long, input_value='{SECRET}', input_type=str]\nend",
        f"1 error\na.password\n  Too long [type=string_too_long, input_value={MASK}, input_type=str]\nend",
    ),
    "validation error, cut": (
        f"1 error\nx\n  No [type=x, input_value={{'user': 'ann', 'pass...{SECRET}'}}, input_type=dict]\nend",
        f"1 error\nx\n  No [type=x, input_value={{'user': 'ann', 'pass...{MASK}, input_type=dict]\nend",
    ),
    "private key": (
        f"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n{SECRET}\n-----END RSA PRIVATE KEY-----\nok",
        f"{MASK}\nok",
    ),
    "private key, named": (f"tls_secret: -----BEGIN X-----\n{SECRET}\n-----END X-----\nok", f"tls_secret: {MASK}\nok"),
    "commas": (f"password=a,{SECRET} n=1", f"password={MASK} n=1"),
    "commas between": (f"password={SECRET},user=ann", f"password={MASK},user=ann"),
    "cut off": (f"{{'user': 'ann', 'token': '{SECRET} [... 9 cha", f"{{'user': 'ann', 'token': {MASK}"),
    "token of 40 digits": ("Token 0123456789abcdef0123456789abcdef01234567 ok", f"Token {MASK} ok"),
}


@pytest.mark.parametrize(("text", "shown"), SHAPES.values(), ids=SHAPES)
def test_what_binds_a_secret_to_its_key_is_known(text: str, shown: str | None) -> None:
    masked = masking.text(text)

    assert SECRET not in masked
    assert shown is None or masked == shown
    assert masking.text(masked) == masked, "what is masked stays as it is"


@pytest.mark.parametrize("text", [text for text, _ in SHAPES.values()], ids=SHAPES)
def test_texts_inside_of_payloads_are_masked_too(text: str) -> None:
    assert SECRET not in str(masking.value({"a": [{"log": text}]}))
    assert SECRET not in str(masking.json(json.dumps({"log": json.dumps([text])})))


def test_json_inside_of_json_stays_json() -> None:
    inner = json.dumps({"p\u0061ssword": SECRET, "n": 1})
    escaped = inner.replace("pass", "p\\u0061ss")

    for text in (inner, escaped):
        shown = masking.value({"body": text})
        assert json.loads(shown["body"]) == {"password": MASK, "n": 1}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([["Authorization", SECRET], ["n", "1"]], [["Authorization", MASK], ["n", "1"]]),
        ({"name": "DB_PASSWORD", "value": SECRET}, {"name": "DB_PASSWORD", "value": MASK}),
        (["password", "token", "user"], ["password", "token", "user"]),
        (["the token is", SECRET], ["the token is", SECRET]),
    ],
)
def test_pairs_of_a_name_and_a_value(value: object, shown: object) -> None:
    assert masking.value(value) == shown


@pytest.mark.parametrize(
    "text",
    [
        "the password is wrong",
        "Unexpected token '<' in JSON at position 0",
        "['password', 'token', 'user']",
        "PASSWORD=\nUSER=ann",
        "see http://host:8000/a@b and ssh://git@host/x",
        "mail ann@example.com, or https://example.com/?q=1&r=2",
        "f(x=1, y={'a': [1, 2]}) -> b'c'",
        "1 error\nname\n  Too long [type=string_too_long, input_value='ann', input_type=str]",
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert masking.text(text) == text
    assert masking.value([text]) == [text]


keys = st.sampled_from(["password", "api_key", "X-Auth-Token", "db.passwd", "sessionId", "clientSecret"])
others = st.dictionaries(st.sampled_from("abcdef"), st.text(max_size=20) | st.integers() | st.none(), max_size=3)
secrets = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=12).map(
    lambda noise: f"{noise}5f1cSECRET{noise[::-1]}"
)
WRITTEN = [
    repr,
    json.dumps,
    lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    lambda value: repr(json.dumps(value)),
    lambda value: json.dumps({"body": json.dumps({"body": json.dumps(value)})}),
    lambda value: json.dumps(repr(value)),
    lambda value: f"Model({', '.join(f'{_name(key)}={item!r}' for key, item in value.items())})",
    lambda value: pprint.pformat(value, width=20),
    lambda value: urlencode(value, quote_via=quote),
    lambda value: quote(json.dumps(value), safe=""),
]


def _name(key: str) -> str:
    return key.replace("-", "_").replace(".", "_")


@given(keys, secrets, others, others, st.sampled_from(WRITTEN))
def test_no_secret_is_left_however_it_is_written(
    key: str, secret: str, before: dict[str, object], after: dict[str, object], write: Callable[[object], str]
) -> None:
    text = write({**before, key: secret, **{f"{name}2": item for name, item in after.items()}})

    assert "5f1cSECRET" not in masking.text(text)
    assert "5f1cSECRET" not in str(masking.json(text))


@given(others, st.sampled_from(WRITTEN))
def test_no_text_without_a_secret_is_changed(value: dict[str, object], write: Callable[[object], str]) -> None:
    text = write(value)

    assert masking.text(text) == text
    assert masking.json(text) == text


#: Texts that grow, each of which some pattern could read again and again.
HOSTILE = [
    "cvv.", "password", "a-", "token=", "a:", "://", "://x:y ", "://x:y/", "://x@", "token='", "token=(", 'token=\\"',
    "\\", "basic ", "bearer\n", "token ", "token\n ", "token:\n  ", "token:\n", "-----BEGIN PRIVATE KEY-----",
    "input_value={", "<token ", "<token>", "('token', ", "token%3d%22", "p a s s ", "passwor", "cookie: a;",
    "authorization: a ", " ", "authorization: a b=c,", "token=a,b", "token=a,'", "token='' ", 'name="token" ',
    "token=[", "token=[]", "%3a%2f%2fa", "25", "token: |\n", "--token ", '{"token":', "token=a;", "token'",
    "'--token', ", "token=\\", "%25", "x=%3a%2f%2fa%3a",
]  # fmt: skip


@pytest.mark.parametrize("begin", ["", "token", "token=", "token='"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_the_work_grows_with_the_text_and_no_faster(begin: str, hostile: str) -> None:
    small = _seconds(begin + hostile * (2_000 // len(hostile)))
    if small > 0.5:
        pytest.fail(f"2,000 characters take {small} s")
    large = _seconds(begin + hostile * (16_000 // len(hostile)))

    # What grows with the square takes 64 times as long.
    assert large < 0.02 or large < 24 * small


def _seconds(text: str) -> float:
    """The least of some attempts, as the machine may be busy with others."""
    took = []
    for _ in range(2):
        began = time.process_time()
        masking.text(text)
        took.append(time.process_time() - began)
    return min(took)


@pytest.mark.parametrize("hostile", ["password" * 20_000, "a-" * 60_000, "token=" * 20_000, "://" + "a:" * 60_000])
def test_hostile_texts_are_masked_in_reasonable_time(hostile: str) -> None:
    began = time.process_time()
    masking.text(hostile)

    assert time.process_time() - began < 2


def test_a_project_chooses_its_own_words() -> None:
    own = masking_of(("blood_group",))

    assert own.value({"bloodGroup": "A", "password": "x"}) == {"bloodGroup": MASK, "password": "x"}
    assert own.text("blood group: A and password=x") == f"blood group: {MASK} and password=x"
    assert own is masking_of(("blood_group",))


def test_no_words_hide_nothing_but_credentials_of_http() -> None:
    assert Masking(()).value({"password": "x"}) == {"password": "x"}
    assert Masking(()).text("password=x") == "password=x"
