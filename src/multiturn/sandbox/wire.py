"""Messages between the supervisor outside and one child inside.

One socket pair of type SOCK_SEQPACKET for each child. Every packet from the child begins with
a nonce that only it and the supervisor know, so that what a program writes to the socket by
itself is nothing but noise. A message longer than one packet goes in several.

The supervisor's words to the child carry no nonce: they go to nobody else.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

__all__ = ["NONCE_BYTES", "Assembler", "Kind", "Message", "send", "send_call"]

NONCE_BYTES = 16
PACKET = 32 << 10
"""Payload of one packet; well below the smallest default size of a socket's buffer."""

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


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message from a child."""

    kind: bytes
    payload: bytes


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
    """Puts packets together, in the supervisor; drops whatever lacks the nonce."""

    def __init__(self, nonce: bytes, most: int) -> None:
        self.nonce = nonce
        self.most = most
        self.noise = 0
        """How many packets were dropped."""
        self._kind = b""
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, packet: bytes) -> Message | None:
        """Take one packet; gives a message when it is whole."""
        head = NONCE_BYTES
        kind, more, payload = (
            packet[head : head + 1],
            packet[head + 1 : head + 2],
            packet[head + 2 :],
        )
        if packet[:head] != self.nonce or kind not in Kind.ALL or self._size > self.most:
            self.noise += 1
            return None
        if kind != self._kind:
            self._kind, self._parts, self._size = kind, [], 0
        self._parts.append(payload)
        self._size += len(payload)
        if more != _LAST:
            return None
        message = Message(kind, b"".join(self._parts))
        self._kind, self._parts, self._size = b"", [], 0
        return message
