"""Redaction: no planted secret stays, whatever stands around it; ordinary code is left alone."""

from __future__ import annotations

import base64
import random
import string
import sysconfig
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.data.filters.redact import PLACEHOLDERS, Redact, redacted

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
URL = ALNUM + "-_"
UPPER = string.ascii_uppercase + string.digits


def _text(draw: random.Random, signs: str, size: int) -> str:
    return "".join(draw.choice(signs) for _ in range(size))


# Prefix, the signs after it and how many: the shapes that services document.
PREFIXED = [
    ("AKIA", UPPER, 16), ("ASIA", UPPER, 16), ("ghp_", ALNUM, 36), ("gho_", ALNUM, 36),
    ("ghs_", ALNUM, 36), ("github_pat_", ALNUM, 82), ("glpat-", URL, 20), ("xoxb-", ALNUM, 50),
    ("xoxp-", ALNUM, 60), ("AIza", URL, 35), ("ya29.", URL, 80), ("GOCSPX-", URL, 28),
    ("sk_live_", ALNUM, 24), ("rk_live_", ALNUM, 24), ("sk_test_", ALNUM, 24),
    ("whsec_", ALNUM, 32), ("sk-", ALNUM, 48), ("sk-proj-", URL, 100), ("sk-ant-", URL, 90),
    ("hf_", ALNUM, 34), ("npm_", ALNUM, 36), ("pypi-AgEIcHlwaS5vcmc", URL, 100),
    ("key-", HEX, 32), ("AC", HEX, 32), ("SK", HEX, 32), ("dop_v1_", HEX, 64), ("dapi", HEX, 32),
    ("shpat_", HEX, 32), ("sq0atp-", URL, 22), ("dckr_pat_", URL, 27), ("ATATT3", ALNUM, 180),
    ("NRAK-", UPPER, 27), ("hvs.", URL, 90), ("lin_api_", ALNUM, 40), ("glsa_", ALNUM, 41),
    ("figd_", URL, 43), ("rubygems_", HEX, 48), ("pul-", HEX, 40), ("r8_", ALNUM, 37),
    ("gsk_", ALNUM, 52), ("AGE-SECRET-KEY-1", UPPER, 58),
]  # fmt: skip
AROUND = [
    "x = '{}'\n",
    "  - {}\n",
    "curl -H 'X: {}' https://a.b\n",
    '{{"v": "{}"}}',
    "# {} here\n",
    "{}",
]
NAMED = [
    "password = '{}'", 'PASSWORD: "{}"', "db_passwd='{}',", '"api_key": "{}"', "secret_key => '{}'",
    "SECRET_KEY: str = '{}'", "config['token'] = \"{}\"", "connect(password='{}')",
    "API_TOKEN={}\n",
    "authToken: `{}`", "export CLIENT_SECRET={}\n", "Authorization: 'Bearer {}'", "pwd := \"{}\"",
    "machine a login b password {}\n", "postgres://user:{}@db.internal/x",
]  # fmt: skip


def planted(seed: int) -> list[tuple[str, str]]:
    """200 secrets of all kinds, each with the text that it stands in."""
    draw = random.Random(seed)
    found = []
    for prefix, signs, size in PREFIXED:
        secret = prefix + _text(draw, signs, size)
        found.append((secret, draw.choice(AROUND).format(secret)))
    for kind in ("RSA ", "EC ", "", "OPENSSH ", "ENCRYPTED "):
        body = base64.encodebytes(draw.randbytes(400)).decode()
        mark = f"{kind}PRIVATE KEY"
        found.append((body[:40], f"k = '''-----BEGIN {mark}-----\n{body}-----END {mark}-----'''"))
    for _ in range(12):
        number, rest = str(draw.randint(10**8, 10**9)), _text(draw, URL, 33)
        found.append((rest, f"bot = Bot('{number}:AA{rest}')"))
    for _ in range(12):
        parts = [base64.urlsafe_b64encode(draw.randbytes(60)).decode().rstrip("=") for _ in "ab"]
        found.append((parts[1], f"jwt = 'eyJ{parts[0]}.eyJ{parts[0]}.{parts[1]}'"))
    for _ in range(10):
        hook = f"T{_text(draw, UPPER, 8)}/B{_text(draw, UPPER, 8)}/{_text(draw, ALNUM, 24)}"
        found.append((hook, f"url = 'https://hooks.slack.com/services/{hook}'"))
    for _ in range(8):
        key = base64.b64encode(draw.randbytes(64)).decode()
        found.append((key, f"DefaultEndpointsProtocol=https;AccountKey={key};Suffix=x"))
    while len(found) < 160:
        secret = _text(draw, ALNUM + "!#+-_~", 20) + draw.choice(ALNUM)
        if any(word in secret.lower() for word in ("none", "null", "your")):
            continue
        form = NAMED[len(found) % len(NAMED)]
        safe = secret.replace("!", "a").replace("#", "b") if "{}\n" in form else secret
        found.append((safe, form.format(safe)))
    while len(found) < 180:
        name, host = _text(draw, ALNUM, 6), _text(draw, string.ascii_lowercase, 7)
        mail = f"{name}.{name}@{host}.{draw.choice(('com', 'de', 'co.uk', 'io'))}"
        found.append((mail, draw.choice(AROUND).format(mail)))
    while len(found) < 192:
        address = f"{draw.randint(11, 99)}.{draw.randint(0, 255)}.{draw.randint(0, 255)}.7"
        found.append((address, draw.choice(AROUND).format(address)))
    while len(found) < 200:
        groups = ":".join(_text(draw, HEX, 4) for _ in range(3))
        address = f"2a01:{groups}::1"
        found.append((address, draw.choice(AROUND).format(address)))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_two_hundred_planted_secrets_leave_none(seed: int) -> None:
    secrets = planted(seed)
    assert len(secrets) == 200
    code = Path(sysconfig.get_path("stdlib"), "argparse.py").read_text()
    lines = code.split("\n")
    step = len(lines) // len(secrets)
    pieces = []
    for index, (_, text) in enumerate(secrets):
        pieces += [*lines[index * step : (index + 1) * step], text]
    content, kinds = redacted("\n".join(pieces).encode())
    left = [secret for secret, _ in secrets if secret.encode() in content]
    assert not left
    assert len(kinds) >= 195  # a secret or two may stand in one span with its neighbour


@given(st.sampled_from(PREFIXED), st.integers(0, 2**32), st.binary(max_size=60))
def test_a_key_is_found_whatever_bytes_are_near(
    shape: tuple[str, str, int], seed: int, around: bytes
) -> None:
    prefix, signs, size = shape
    secret = (prefix + _text(random.Random(seed), signs, size)).encode()
    content, kinds = redacted(around + b" '" + secret + b"' " + around)
    assert secret not in content
    assert kinds


@given(st.binary(max_size=300))
def test_redaction_of_anything_ends_and_is_stable(content: bytes) -> None:
    once, kinds = redacted(content)
    assert (once == content) == (not kinds)


def test_ordinary_code_is_left_alone() -> None:
    code = [
        b"def password(self, token: str) -> None: self.token = token\n",
        b"@property\ndef x(self): ...\n@a.b.setter\n",
        b"git clone git@github.com:owner/name.git\n",
        b"mail to someone@example.com, or ring 127.0.0.1, 10.1.2.3, ::1 and 2001:db8::1\n",
        b"std::vector<int> a; b[1::2]; c = dead::beef;\n",
        b"version = '1.2.3'; assert parse('1.2.3.4rc1')\n",
        b"password = os.environ['DATABASE_PASSWORD']\n",
        b"token = 'csrfmiddlewaretoken'; api_key = 'your-api-key-here'; secret = 'changeme'\n",
        b"sk_test = 1; hf_hub_download(); npm_config = {}\n",
        b"postgres://user:password@localhost/db and https://example.com:8080/a@b\n",
        b"SECRET_KEY = '<KEY>'; x = 'AKIAXXXXXXXXXXXXXXXX'\n",
    ]
    for line in code:
        assert redacted(line) == (line, [])


def test_of_the_standard_library_little_is_touched() -> None:
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    kinds = [redacted(file.read_bytes())[1] for file in files]
    assert sum("key" in of_file or "private key" in of_file for of_file in kinds) == 0
    assert sum("password" in of_file for of_file in kinds) <= 3


@pytest.mark.parametrize(
    "unit",
    [b"password=", b"token", b"1.1.1.1.", b"2:", b"://a:", b"-----BEGIN PRIVATE KEY-----", b"@a.a",
     b"pwd:a:'", b":AA", b"sig=", b"Private-Lines: 1 aaaa", b"eyJaaaaaaaaaaa.", b"sk-a-"],
)  # fmt: skip
def test_time_grows_with_the_text_and_no_faster(unit: bytes) -> None:
    def seconds(size: int) -> float:
        content = unit * (size // len(unit))
        begin = time.process_time()
        redacted(content)
        return time.process_time() - begin

    seconds(1000)
    small, large = max(seconds(40_000), 1e-3), seconds(320_000)
    # Eight times the text; quadratic growth would take 64 times as long.
    assert large < 30 * small


def test_the_step_counts_kinds_and_drops_lists(pass_step) -> None:  # type: ignore[no-untyped-def]
    mails = "\n".join(f"person{n}@somewhere.io" for n in range(30)).encode()
    passed, drop_log = pass_step(
        Redact(max_redactions=20), b"a = 'me@somewhere.io'\n", b"b = 1\n", mails
    )
    assert [d.content for d in passed] == [b"a = '<EMAIL>'\n", b"b = 1\n"]
    assert passed[0].metadata == {"redacted": "1"}
    assert drop_log.counts.events == {("redact", "email"): 1}
    assert drop_log.counts.drops == {("redact", "a list of addresses or secrets"): 1}


def test_the_original_hash_is_kept(pass_step) -> None:  # type: ignore[no-untyped-def]
    (passed,), _ = pass_step(Redact(), b"me@somewhere.io")
    (same,), _ = pass_step(Redact(personal=False), b"me@somewhere.io")
    assert passed.sha256 == same.sha256
    assert passed.content == PLACEHOLDERS["email"]
    assert same.content == b"me@somewhere.io"
