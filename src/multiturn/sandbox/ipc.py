"""Messages between the supervisor and one child.

Each child has a socket pair of type SOCK_SEQPACKET. Every packet from the child begins with a
nonce that only the child and the supervisor know, so whatever a program writes to the socket by
itself is noise. A message longer than one packet takes several.

The supervisor's calls carry no nonce, as no other process receives them.
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
"""How many messages a child may send for each call: more than it ever needs."""
MAX_NOISE = 1000
"""How many packets may be malformed. A program that tries out its descriptors sends few."""
MAX_TEXT = 64 << 10
"""The longest message that carries no value; an error's text is cut far below that."""

PACKED = "packed:"
"""Prefix of the name of a function whose arguments come from
`multiturn.sandbox.inside.instances.dismantle`."""

_LAST, _MORE = b".", b"+"


class Kind:
    """What a message from the child means: one byte."""

    SETUP_FAILED = b"!"
    """The sandbox could not prepare the child. Payload: the reason."""
    STARTED = b"S"
    """The child is isolated, and the program is about to be compiled."""
    FINISHED = b"F"
    """The main program ran to its end. Payload: the encoded value that was asked for."""
    RAISED = b"R"
    """An exception reached the top level. Payload: JSON with status, error and line."""
    EXIT = b"E"
    """`SystemExit` reached the top level. Payload: the exit code."""
    RETURNED = b"V"
    """A call returned. Payload: the encoded value."""
    CALL_RAISED = b"X"
    """A call raised. Payload as for RAISED."""

    ALL = frozenset((SETUP_FAILED, STARTED, FINISHED, RAISED, EXIT, RETURNED, CALL_RAISED))
    VALUES = frozenset((FINISHED, RETURNED))


@dataclass(frozen=True, slots=True)
class Message:
    """One complete message from a child."""

    kind: bytes
    payload: bytearray


def send(ipc: socket.socket, nonce: bytes, kind: bytes, payload: bytes = b"") -> None:
    """Send one message from the child; blocks while the supervisor is behind."""
    while len(payload) > PACKET:
        ipc.sendall(nonce + kind + _MORE + payload[:PACKET])
        payload = payload[PACKET:]
    ipc.sendall(nonce + kind + _LAST + payload)


def send_call(ipc: socket.socket, payload: bytes) -> None:
    """Send one call to the child; a packet shorter than the others ends it."""
    while len(payload) >= PACKET:
        ipc.sendall(payload[:PACKET])
        payload = payload[PACKET:]
    ipc.sendall(payload or b"\n")


def receive_call(ipc: socket.socket) -> bytes | None:
    """Wait for one call, in the child; None when the supervisor is gone."""
    parts: list[bytes] = []
    while True:
        packet = ipc.recv(PACKET)
        if not packet:
            return None
        parts.append(packet)
        if len(packet) < PACKET:
            return b"".join(parts)


class Assembler:
    """Puts packets together, in the supervisor; drops those without the nonce.

    A program can find the nonce in its own process, so everything it sends is limited: the number
    of packets and of messages, and their bytes.
    """

    def __init__(self, nonce: bytes, max_value: int) -> None:
        self.nonce = nonce
        self.max_value = max_value
        self.noise = 0
        """How many packets were dropped."""
        self.reset()

    def reset(self) -> None:
        """Allow the child as much again, for its next call."""
        self._kind = b""
        self._data = bytearray()
        self._left = self.max_value + MAX_TEXT
        self._messages = 0

    @property
    def exceeded(self) -> bool:
        """Whether more came than any honest child sends, so that reading can stop."""
        return self.noise > MAX_NOISE or self._messages > MAX_MESSAGES or self._left < 0

    def feed(self, packet: bytes) -> Message | None:
        """Take one packet; returns a message when it is complete."""
        head = NONCE_BYTES
        kind, more, payload = (
            packet[head : head + 1],
            packet[head + 1 : head + 2],
            packet[head + 2 :],
        )
        complete = more == _LAST
        if packet[:head] != self.nonce or kind not in Kind.ALL or len(payload) > PACKET:
            self.noise += 1
            return None
        if not complete and (kind not in Kind.VALUES or len(payload) != PACKET):
            # Only values take several packets, all of them full but the last.
            self.noise += 1
            return None
        self._left -= len(payload)
        if self.exceeded:
            return None
        if kind != self._kind:
            self._kind, self._data = kind, bytearray()
        self._data += payload
        if not complete:
            return None
        message = Message(kind, self._data)
        self._kind, self._data = b"", bytearray()
        self._messages += 1
        return message
