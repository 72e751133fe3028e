from __future__ import annotations

import pytest

from multiturn.engines.common_prefix import common_prefix_length


@pytest.mark.parametrize("length", range(9))
def test_the_common_length_is_that_of_the_common_prefix(length: int) -> None:
    one = list(range(8))
    other = [*one[:length], *([99] * (8 - length))]
    assert common_prefix_length(one, other) == length
    assert common_prefix_length(one, other[:5]) == min(length, 5)
    assert common_prefix_length([], one) == 0
