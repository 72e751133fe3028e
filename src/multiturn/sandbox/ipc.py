"""Messages between the supervisor outside and one child inside.

One socket pair of type SOCK_SEQPACKET for each child. Every packet from the child begins with
a nonce that only it and the supervisor know, so that what a program writes to the socket by
itself is nothing but noise. A message longer than one packet goes in several.

The supervisor's words to the child carry no nonce: they go to nobody else.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

__all__ = [
    "MAX_MESSAGES",
    "MAX_NOISE",
    "NONCE_BYTES",
    "PACKED",
    "Assembler",
    "Kind",
    "Message",
    "receive_call",
    "send",
    "send_call",
]

NONCE_BYTES = 16
PACKET = 32 << 10
"""Payload of one packet; well below the smallest default size of a socket's buffer."""

MAX_MESSAGES = 1000
"""How many messages a child may send for each of its orders: more than it ever has to say."""
MAX_NOISE = 1000
"""How many packets may be none of ours. A program that tries out its descriptors sends few."""
MAX_WORDS = 64 << 10
"""The longest message that carries no value; an error's text is cut far below that."""

PACKED = "packed:"
"""Before the name of a function that is to be called with what
`multiturn.sandbox.inside.instances.dismantle` gave."""

_LAST, _MORE = b".", b"+"


class Kind:
    """What a message from the child says: one byte."""

    FAULT = b"!"
    """Getting ready failed: a fault of the sandbox. Payload: the reason."""
    STARTED = b"S"
    """The walls are up and the program is about to be compiled."""
    FINISHED = b"F"
    """The main program ran to its end. Payload: the encoded value that was asked for."""
    RAISED = b"R"
    """An exception reached the top. Payload: JSON with status, error and line."""
    EXIT = b"E"
    """`SystemExit` reached the top. Payload: the exit code."""
    RETURNED = b"V"
    """A call returned. Payload: the encoded value."""
    THREW = b"X"
    """A call raised. Payload as of RAISED."""

    ALL = frozenset((FAULT, STARTED, FINISHED, RAISED, EXIT, RETURNED, THREW))
    VALUES = frozenset((FINISHED, RETURNED))


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message from a child."""

    kind: bytes
    payload: bytearray


def send(wire: socket.socket, nonce: bytes, kind: bytes, payload: bytes = b"") -> None:
    """Send one message from the child; blocks while the supervisor is behind."""
    while len(payload) > PACKET:
        wire.sendall(nonce + kind + _MORE + payload[:PACKET])
        payload = payload[PACKET:]
    wire.sendall(nonce + kind + _LAST + payload)


def send_call(wire: socket.socket, payload: bytes) -> None:
    """Send one call to the child: packets that end with one shorter than a full one."""
    while len(payload) >= PACKET:
        wire.sendall(payload[:PACKET])
        payload = payload[PACKET:]
    wire.sendall(payload or b"\n")


def receive_call(wire: socket.socket) -> bytes | None:
    """Wait for one call, in the child; None when the supervisor is gone."""
    parts: list[bytes] = []
    while True:
        packet = wire.recv(PACKET)
        if not packet:
            return None
        parts.append(packet)
        if len(packet) < PACKET:
            return b"".join(parts)


class Assembler:
    """Puts packets together, in the supervisor; drops whatever lacks the nonce.

    A program can find the nonce in its own process, so that nothing it sends is taken without a
    bound: not the number of packets or messages, nor their bytes, nor the parts of one.
    """

    def __init__(self, nonce: bytes, max_value: int) -> None:
        self.nonce = nonce
        self.max_value = max_value
        self.noise = 0
        """How many packets were dropped."""
        self.renew()

    def renew(self) -> None:
        """A new order was given to the child: it may say as much again."""
        self._kind = b""
        self._data = bytearray()
        self._left = self.max_value + MAX_WORDS
        self._messages = 0

    @property
    def too_much(self) -> bool:
        """Whether more came than any child has to say: no more need be read."""
        return self.noise > MAX_NOISE or self._messages > MAX_MESSAGES or self._left < 0

    def feed(self, packet: bytes) -> Message | None:
        """Take one packet; gives a message when it is whole."""
        head = NONCE_BYTES
        kind, more, payload = (
            packet[head : head + 1],
            packet[head + 1 : head + 2],
            packet[head + 2 :],
        )
        whole = more == _LAST
        if packet[:head] != self.nonce or kind not in Kind.ALL or len(payload) > PACKET:
            self.noise += 1
            return None
        if not whole and (kind not in Kind.VALUES or len(payload) != PACKET):
            # Only values take several packets, all of them full but the last.
            self.noise += 1
            return None
        self._left -= len(payload)
        if self.too_much:
            return None
        if kind != self._kind:
            self._kind, self._data = kind, bytearray()
        self._data += payload
        if not whole:
            return None
        message = Message(kind, self._data)
        self._kind, self._data = b"", bytearray()
        self._messages += 1
        return message
