"""The shapes of keys, tokens and passwords.

Most services give their keys a prefix of their own. Other secrets are found by their names in code:
a text of some length and entropy, in quotes, assigned to something called a password, secret, token
or key.

Patterns that run over complete documents are compiled with RE2, which takes linear time on any
text, and for these patterns a tenth to a twentieth of the time of `re`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

import re2

__all__ = ["secrets_in"]

Span = tuple[int, int, str]
"""Begin and end in the content, and the kind."""


_OPTIONS = re2.Options()
_OPTIONS.encoding = re2.Options.Encoding.LATIN1
_OPTIONS.max_mem = 64 << 20  # the automaton of all prefixes at once is large
_OPTIONS.log_errors = False

_PREFIXED = (
    rb"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",  # Amazon
    rb"gh[pousr]_[A-Za-z0-9]{36,}",  # GitHub
    rb"github_pat_[A-Za-z0-9_]{22,}",
    rb"gl(?:pat|ptt|rt|dt|ft|soat|cbt|imt|agent|oas)-[A-Za-z0-9_.-]{20,}",  # GitLab
    rb"xox[abeoprs]-[A-Za-z0-9-]{10,}",  # Slack
    rb"xapp-\d-[A-Za-z0-9-]{10,}",
    rb"AIza[A-Za-z0-9_-]{35}",  # Google
    rb"ya29\.[A-Za-z0-9_-]{20,}",
    rb"GOCSPX-[A-Za-z0-9_-]{28}",
    rb"(?:sk|rk|pk|whsec)_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
    rb"whsec_[A-Za-z0-9+/=]{24,}",
    rb"sk-(?:proj-|ant-|svcacct-|admin-|or-v1-|lf-)?[A-Za-z0-9_-]{20,}",  # OpenAI, Anthropic
    rb"hf_[A-Za-z0-9]{30,}",  # Hugging Face
    rb"npm_[A-Za-z0-9]{36}",
    rb"pypi-AgE[A-Za-z0-9_-]{50,}",
    rb"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",  # SendGrid
    rb"key-[0-9a-f]{32}",  # Mailgun
    rb"(?:AC|SK)[0-9a-f]{32}",  # Twilio
    rb"do[opr]_v1_[0-9a-f]{64}",  # DigitalOcean
    rb"dapi[0-9a-f]{32}",  # Databricks
    rb"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",  # Shopify
    rb"sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,}",  # Square
    rb"EAAA[A-Za-z0-9_-]{60}",
    rb"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,}",  # Docker
    rb"ATATT3[A-Za-z0-9_=-]{60,}",  # Atlassian
    rb"NRAK-[A-Z0-9]{27}",  # New Relic
    rb"hv[sbr]\.[A-Za-z0-9_-]{24,}",  # Vault
    rb"lin_(?:api|oauth)_[A-Za-z0-9]{32,}",  # Linear
    rb"gl(?:sa|c)_[A-Za-z0-9_=+/]{32,}",  # Grafana
    rb"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}",  # Airtable
    rb"figd_[A-Za-z0-9_-]{40,}",  # Figma
    rb"secret_[A-Za-z0-9]{43}",  # Notion
    rb"ntn_[A-Za-z0-9]{40,}",
    rb"rubygems_[0-9a-f]{48}",
    rb"sentrys_[A-Za-z0-9_=+/-]{40,}",
    rb"pul-[0-9a-f]{40}",  # Pulumi
    rb"tfp_[A-Za-z0-9]{40,}",
    rb"dop_[a-z0-9_]{40,}",
    rb"PMAK-[0-9a-f]{24}-[0-9a-f]{34}",  # Postman
    rb"EZ[AT]K[A-Za-z0-9]{54}",  # EasyPost
    rb"r8_[A-Za-z0-9]{37}",  # Replicate
    rb"gsk_[A-Za-z0-9]{40,}",  # Groq
    rb"xai-[A-Za-z0-9]{64,}",
    rb"pplx-[A-Za-z0-9]{40,}",
    rb"AGE-SECRET-KEY-1[0-9A-Z]{58}",
    rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",  # JWT
)
_TOKEN = re2.compile(rb"|".join(_PREFIXED), _OPTIONS)
_BOT = re.compile(rb":AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])")  # Telegram, after a number
_HOOKS = re2.compile(
    rb"hooks\.slack\.com/(?:services|workflows)/([A-Za-z0-9/_-]{20,128})"
    rb"|discord(?:app)?\.com/api/webhooks/(\d{15,22}/[A-Za-z0-9_-]{40,100})"
    rb"|webhook\.office\.com/webhookb2/([A-Za-z0-9@/-]{40,255})"
)
_PRIVATE_KEY = re.compile(
    rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?P<key>[^-]{0,20000}+)"
)
_PUTTY_KEY = re.compile(
    rb"Private-Lines: \d{1,6}(?P<key>(?:\s{1,4}[A-Za-z0-9+/=]{4,128}+){1,400}+)"
)
_IN_ADDRESS = re.compile(rb"://[^\s:/@'\"<>{}$%]{0,64}+:(?P<key>[^\s/@'\"<>{}$]{3,128}+)@[\w\[]")
_CONNECTION = re2.compile(
    rb"(?:AccountKey|SharedAccessKey|SharedAccessSignature|sig)=([A-Za-z0-9+/%=]{20,200})"
)
_NETRC = re.compile(rb"\bpassword[ \t]+(?P<key>[^\s\"'<>{}()]{6,128})")
_NAMED = re2.compile(
    rb"(?i)(?:passw(?:or)?d|passphrase|passwd|pwd|secret|token|credential|api[_.-]?key|apikey"
    rb"|access[_.-]?key|private[_.-]?key|auth[_.-]?key|account[_.-]?key|client[_.-]?key"
    rb"|encryption[_.-]?key|signing[_.-]?key|master[_.-]?key|license[_.-]?key|bearer|authorization)"
)
# Possessive quantifiers never backtrack, which would take many tries at each name of a text that
# is made of names.
_ASSIGNED = re.compile(
    rb"[\w.-]{0,40}+[\"'`]?+\]?+\s{0,8}+(?::\s{0,4}+[\w\[\]]{1,20}+\s{0,4}+)?(?::=|=>|[:=,(])"
    rb"\s{0,8}+[a-zA-Z]{0,2}(?P<quote>[\"'`])(?:(?:bearer|basic|token)\s++)?"
    rb"(?P<key>[^\"'`\s]{8,512}+)(?P=quote)",
    re.IGNORECASE,
)
_UNQUOTED = re.compile(
    rb"[\w.-]{0,40}+[ \t]{0,8}+[:=][ \t]{0,8}+(?:(?:bearer|basic|token)[ \t]{1,8}+)?"
    rb"(?P<key>[A-Za-z0-9+/_.~=-]{16,512}+)[ \t]{0,8}+$",
    re.IGNORECASE | re.MULTILINE,
)
_NO_SECRET = re.compile(
    rb"[\w.]*(?:example|sample|dummy|placeholder|changeme|change_me|your|xxxx|\*\*\*|password"
    rb"|secret|token|redacted|undefined|null|none|<|>|\{|\$|%s|\(|/)",
    re.IGNORECASE,
)
_MIN_DIFFERENT = 8
# Names made of words: each letter is beside another of its case.
_WORDS = re.compile(rb"(?:(?:[A-Z]?[a-z]{2,}+|[A-Z]{2,}+)[ _.:-]?+)++\d{0,2}|\d++")


def secrets_in(content: bytes, *, min_entropy: float) -> Iterator[Span]:
    """The spans of secrets in a text; spans may overlap.

    Args:
        content: to search.
        min_entropy: Shannon entropy in bits per character, below which the value of something
            called a password or key does not count as a secret.
    """
    for match in _TOKEN.finditer(content):
        begin, end = match.span()
        # Excludes a row of x, and the end of a longer word.
        if len(set(match[0])) > _MIN_DIFFERENT and not content[begin - 1 : begin].isalnum():
            yield begin, end, "key"
    if b":AA" in content:
        for match in _BOT.finditer(content):
            begin = _digits_before(content, match.start())
            if 7 <= match.start() - begin <= 12:
                yield begin, match.end(), "key"
    if b"PRIVATE KEY" in content:
        for match in _PRIVATE_KEY.finditer(content):
            if len(match["key"].strip()) >= 32:
                yield *match.span("key"), "private key"
    if b"Private-Lines" in content:
        for match in _PUTTY_KEY.finditer(content):
            yield *match.span("key"), "private key"
    if b"://" in content:
        for match in _IN_ADDRESS.finditer(content):
            if not _NO_SECRET.match(match["key"]):
                yield *match.span("key"), "password"
    if b"hook" in content:
        for match in _HOOKS.finditer(content):
            yield *match.span(match.lastindex), "key"
    if b"=" in content:
        for match in _CONNECTION.finditer(content):
            if _entropy(match[1]) >= min_entropy:
                yield *match.span(1), "key"
    yield from _named_secrets(content, min_entropy)


def _named_secrets(content: bytes, min_entropy: float) -> Iterator[Span]:
    """The spans of values that are assigned to a password, token or key."""
    for name in _NAMED.finditer(content):
        for pattern in (_ASSIGNED, _UNQUOTED, _NETRC):
            begin = name.start() if pattern is _NETRC else name.end()
            match = pattern.match(content, begin)
            if match is None:
                continue
            value = match["key"]
            if (
                not _NO_SECRET.match(value)
                and not _WORDS.fullmatch(value)
                and _entropy(value) >= min_entropy
            ):
                yield *match.span("key"), "key" if name[0].lower().endswith(b"key") else "password"
            break


def _digits_before(content: bytes, place: int) -> int:
    first = max(0, place - 16)
    while place > first and content[place - 1 : place].isdigit():
        place -= 1
    return place


def _entropy(value: bytes) -> float:
    """Shannon entropy of the characters of a value, in bits per character."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())
