"""Batches of a packed corpus in its own order, for any number of hosts.

The state of the iterator is the number of the next batch. A host reads its share of the rows of
each batch, so any number of hosts reads the same batches. The rows of a corpus are shuffled;
each epoch begins at another row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from multiturn.core.errors import InputError
from multiturn.data.hashing import seeded_hash
from multiturn.data.loader.corpus import PackedCorpus, Rows

__all__ = ["Batches", "Share"]


@dataclass(frozen=True, slots=True)
class Share:
    """The share of one host.

    Attributes:
        host: from 0.
        hosts: number of hosts.

    Raises:
        InputError: there is no such host.
    """

    host: int = 0
    hosts: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.host < self.hosts:
            raise InputError("no such host", got=self.host, allowed=f"0 to {self.hosts - 1}")


class Batches(Iterator[Rows]):
    """An endless iterator over batches, resumed with `state` and `restore`.

    Args:
        corpus: to read.
        batch: rows in a batch, of all hosts together.
        share: of this host.
        seed: of the first row of each epoch.

    Raises:
        InputError: the batch or the corpus is empty.
    """

    def __init__(
        self, corpus: PackedCorpus, batch: int, *, share: Share | None = None, seed: int = 0
    ) -> None:
        if batch < 1:
            raise InputError("the batch is too small", got=batch, allowed="1 or more rows")
        if not len(corpus):
            raise InputError("the corpus has no rows", got=str(corpus.folder))
        self._corpus, self._batch, self._seed = corpus, batch, seed
        self._share = share or Share()
        self._next = 0

    def __next__(self) -> Rows:
        """The rows of the next batch that this host reads."""
        rows = self._corpus.read(self.indexes(self._next))
        self._next += 1
        return rows

    def indexes(self, batch: int) -> list[int]:
        """The global numbers of this host's rows of a batch."""
        share, count = self._share, len(self._corpus)
        first = batch * self._batch + self._batch * share.host // share.hosts
        last = batch * self._batch + self._batch * (share.host + 1) // share.hosts
        found = []
        for sample in range(first, last):
            epoch, place = divmod(sample, count)
            found.append((place + self._offset(epoch)) % count)
        return found

    def state(self) -> dict[str, int]:
        """The state for `restore`, on any number of hosts."""
        return {"next": self._next, "batch": self._batch, "seed": self._seed}

    def restore(self, state: dict[str, int]) -> None:
        """Continue where `state` was taken.

        Raises:
            InputError: the state is of another batch or seed.
        """
        own = {"batch": self._batch, "seed": self._seed}
        if {name: state.get(name) for name in own} != own:
            raise InputError("the state belongs to other batches", got=state, allowed=str(own))
        self._next = state["next"]

    def _offset(self, epoch: int) -> int:
        """The row with which an epoch begins; 0 for the first epoch."""
        return seeded_hash(self._seed, epoch) % len(self._corpus) if epoch else 0
