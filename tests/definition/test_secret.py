"""Secrets are read from where they are kept, and never shown."""

from __future__ import annotations

import json
import logging
import os
import pickle
from pathlib import Path

import pytest

from mbusbench.definition.document import parse_document
from mbusbench.definition.secret import Secret, SecretText, WithSecrets, redacted
from mbusbench.errors import DefinitionError


class Account(WithSecrets):
    user: str
    password: SecretText | None = None


def read(text: str) -> Account:
    return Account.from_document(parse_document(text, "a.yaml"))


def test_secret_is_read_from_text_environment_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD_OF_TEST", "from-environment")
    (tmp_path / "password").write_text("from-file\n")
    sources = {
        "password: from-text": "from-text",
        "password: {env: PASSWORD_OF_TEST}": "from-environment",
        "password_env: PASSWORD_OF_TEST": "from-environment",
        f"password: {{file: {tmp_path / 'password'}}}": "from-file",
        f"password_file: {tmp_path / 'password'}": "from-file",
    }
    for line, expected in sources.items():
        account = read(f"user: me\n{line}\n")
        assert account.password is not None
        assert account.password.reveal() == expected
    assert account.secret_files() == [tmp_path / "password"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("password_env: NOT_THERE", "a.yaml:2:15 password_env: the environment has no variable 'NOT_THERE'"),
        ("password_file: /not/there", "a.yaml:2:16 password_file: '/not/there': no such file or directory"),
        ("password_file: /dev/null", "a.yaml:2:16 password_file: '/dev/null' is not a file of data"),
        ("password: 12345", "a.yaml:2:11 password: 12345 is neither text nor {env: NAME} nor {file: PATH}"),
        ("passwort_env: A", "a.yaml:2:1: unknown key 'passwort_env', did you mean 'password'?"),
    ],
)
def test_mistake_is_told_with_its_place(line: str, said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read(f"user: me\n{line}\n")
    assert str(caught.value) == said


def test_secret_that_is_given_twice_is_a_mistake() -> None:
    with pytest.raises(DefinitionError, match="password_env: password is given twice, as password too"):
        read("user: me\npassword: abcd\npassword_env: HOME\n")


def test_nothing_but_reveal_shows_it(caplog: pytest.LogCaptureFixture) -> None:
    account = read("user: me\npassword: hunter2-and-more\n")
    logging.getLogger("mbusbench.test").warning("%s %r", account.password, account)
    dumped = json.dumps(account.model_dump(), default=str)
    shown = [str(account), repr(account), f"{account.password}", caplog.text, dumped]
    assert not [text for text in shown if "hunter2" in text]
    with pytest.raises(TypeError):
        pickle.dumps(account.password)


def test_secret_is_taken_out_of_what_others_say() -> None:
    Secret("s3cr3t-of-this-test")
    Secret("abc")
    assert redacted("connection to u:s3cr3t-of-this-test@host failed, abc") == "connection to u:***@host failed, abc"


def test_equal_secrets_are_equal_definitions() -> None:
    one, other = read("user: me\npassword: first-one\n"), read("user: me\npassword: first-one\n")
    assert one == other
    assert one != read("user: me\npassword: second-one\n")
    assert os.environ.get("PASSWORD_OF_TEST") is None
