# tries: importing and using a good part of the standard library
# kind: innocent
# outcomes: finished
# prints: [1, 2] b'aGk=' <b>x</b> 2
# limits: cpu=8 wall=25
import abc, array, base64, bisect, bz2, collections, contextvars, ctypes, difflib, email.message
import enum, fnmatch, functools, graphlib, heapq, hmac, html, http, inspect, io, itertools, lzma
import mimetypes, operator, pprint, re, reprlib, select, selectors, shelve, shlex, signal, socket
import string, struct, subprocess, textwrap, tomllib, types, urllib.parse, urllib.request, weakref
import xml.etree.ElementTree, zlib

lzma.decompress(lzma.compress(b"x"))
with shelve.open("shelf") as shelf:
    shelf["x"] = 1
assert urllib.parse.urlparse("http://example.org/a?b=c").query == "b=c"
assert functools.lru_cache(None)(lambda x: x)(1) == 1
print(
    heapq.nsmallest(2, [3, 1, 2]),
    base64.b64encode(b"hi"),
    html.unescape("&lt;b&gt;x&lt;/b&gt;"),
    len(re.findall(r"\d", "a1b2")),
)
