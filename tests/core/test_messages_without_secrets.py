"""What is said of a value that does not fit quotes nothing of it where it sits under a telling key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field, SecretStr

from django_workflows.core.masking import MASK, masking_of
from django_workflows.core.signatures import Signature
from django_workflows.exceptions import InvalidArguments

SECRET = "hunter2-Xyz"


def refuse(value: str) -> str:
    raise ValueError(f"{value} is weak")


class Login(BaseModel):
    user: str
    password: Annotated[str, Field(max_length=3)]


class Weak(BaseModel):
    password: Annotated[str, AfterValidator(refuse)]


@dataclass
class Thing:
    token: Any
    n: int = 0


class Opaque:
    def __repr__(self) -> str:
        return f"Opaque(user='{'a' * 60}', password='{SECRET}')"


async def typed(
    password: int = 0,
    login: Login | None = None,
    weak: Weak | None = None,
    token: Literal["a", "b"] = "a",
    thing: Thing | None = None,
    anything: Any = None,
    number: int = 0,
    secret: Annotated[str, AfterValidator(refuse)] = "",
) -> None: ...


@pytest.mark.parametrize(
    "arguments",
    [
        {"password": SECRET},
        {"password": [SECRET]},
        {"login": {"user": "ann", "password": SECRET}},
        {"login": {"password": SECRET}},
        {"login": [{"password": SECRET}]},
        {"weak": {"password": SECRET}},
        {"token": SECRET},
        {"secret": SECRET},
        {"number": {"password": SECRET}},
        {"number": f"password={SECRET}"},
        {"number": f"postgres://ann:{SECRET}@db/x"},
        {"thing": {"token": SECRET, "n": "x"}},
        {"anything": {"password": {SECRET}}},
        {"anything": {"password": Opaque()}},
        {"anything": [Opaque()]},
        {"anything": {"api_key": SecretStr(SECRET)}},
        {"anything": {"a": Thing(SECRET)}},
    ],
    ids=str,
)
@pytest.mark.parametrize("outside", [False, True])
def test_no_message_quotes_a_secret(arguments: dict[str, Any], outside: bool) -> None:
    signature = Signature.of(typed)
    with pytest.raises(InvalidArguments) as refused:
        if outside:
            signature.encode_mapping(arguments, what="x", max_bytes=10_000)
        else:
            signature.encode_arguments((), arguments, what="x", max_bytes=10_000, apply_defaults=True)
    for said in (str(refused.value), str(refused.value.errors), masking_of(("nothing",)).text(str(refused.value))):
        assert SECRET not in said
        assert SECRET[:6] not in said


def test_the_rest_of_a_message_stays() -> None:
    with pytest.raises(InvalidArguments) as refused:
        Signature.of(typed).encode_mapping({"password": SECRET}, what="x", max_bytes=10_000)
    said = str(refused.value)
    assert f", got {MASK} (str)" in said
    assert "valid integer" in masking_of(("password",)).text(said)
    with pytest.raises(InvalidArguments, match="got 'many' \\(str\\)"):
        Signature.of(typed).encode_mapping({"number": "many"}, what="x", max_bytes=10_000)


def test_words_of_the_project_count(settings: Any) -> None:
    async def typed(blood_group: int, password: int) -> None: ...

    settings.DJANGO_WORKFLOWS = {"MASKED_KEYS": ("blood_group",)}
    with pytest.raises(InvalidArguments) as refused:
        Signature.of(typed).encode_mapping({"blood_group": "A", "password": "x"}, what="x", max_bytes=10_000)
    assert f"got {MASK} (str)" in str(refused.value)
    assert "got 'x' (str)" in str(refused.value.errors)
