# tries: dataclasses, enums, protocols, typing, pattern matching
# kind: innocent
# outcomes: finished
# prints: Point(x=1, y=2) RED origin
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Generic, Protocol, TypeVar, get_type_hints

T = TypeVar("T")


class Color(Enum):
    RED = auto()


@dataclass(frozen=True, order=True)
class Point(Generic[T]):
    x: int
    y: int = field(default=2)


class Named(Protocol):
    name: str


def where(point):
    match point:
        case Point(x=0, y=0):
            return "origin"
    return "elsewhere"


assert get_type_hints(Point) == {"x": int, "y": int}
print(replace(Point(3), x=1), Color.RED.name, where(Point(0, 0)))
