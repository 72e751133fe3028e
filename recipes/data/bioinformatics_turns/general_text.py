"""General templates about text."""

# ruff: noqa: E501  (a prompt is one line)

from __future__ import annotations

import re
from collections import Counter

from recipes.data.bioinformatics_turns.drawing import WORDS, Draw, integer, letters, pick
from recipes.data.bioinformatics_turns.template import template


def _sentence(draw: Draw) -> str:
    return " ".join(draw.choices(WORDS[:12], k=draw.randint(5, 10)))


def _some_words(draw: Draw) -> list[str]:
    return draw.sample(WORDS, draw.randint(4, 7))


@template(
    """
    ? Assign the sentence $text to $s.
    ? Store the text $text in a variable named $s.
    $s = $text
    ? Split it into words and store them in a list called $w.
    ? Let $w be the list of the words of $s.
    $w = $s.split()
    ? Keep only the words with more than $n letters, in upper case. Name the list $l.
    ? Make a list $l of the words longer than $n letters, converted to capitals.
    $l = [word.upper() for word in $w if len(word) > $n]
    ? Print $l joined with "-".
    ? Print the words with a hyphen between them.
    print("-".join($l))
    """,
    text=_sentence,
    n=integer(4, 6),
    s="sentence|text|line",
    w="words|tokens|parts",
    l="long_words|shouted|selected",
)
def long_words(text: str, n: int) -> str:
    """By a regular expression."""
    return "-".join(re.findall(rf"\b[A-Z]{{{n + 1},}}\b", text.upper()))


@template(
    """
    ? Let $s be the string $text.
    ? Assign $text to $s.
    $s = $text
    ? Write a function $f(letter, shift) that moves a lower-case letter forward in the alphabet, starting again at "a" after "z".
    ? Define $f, which takes a lower-case letter and a shift and returns the letter that many places later; after "z" comes "a".
    def $f(letter, shift):
        return chr((ord(letter) - ord("a") + shift) % 26 + ord("a"))
    ? Encrypt $s with the shift $n; characters other than lower-case letters stay. Call the result $e.
    ? Apply it with shift $n to all lower-case letters of $s, leave the rest unchanged, and save the text as $e.
    $e = "".join($f(c, $n) if c.islower() else c for c in $s)
    ? Print the encrypted text.
    ? Print $e.
    print($e)
    """,
    text=lambda d: " ".join(d.sample(WORDS, 3)) + d.choice("!?."),
    n=integer(1, 25),
    s="message|plain|text",
    f="shifted|rotate|move",
    e="secret|encrypted|cipher",
)
def caesar(text: str, n: int) -> str:
    """By a table."""
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    return text.translate(str.maketrans(alphabet, alphabet[n:] + alphabet[:n]))


@template(
    """
    ? Create a list $l with the words $words.
    ? Assign the words $words to a list named $l.
    $l = $words
    ? Group them by their first letter in a dictionary $d of lists.
    ? Build a dict $d from each first letter to the list of words that begin with it.
    $d = {}
    for word in $l:
        $d.setdefault(word[0], []).append(word)
    ? Find the letter with the most words; in a tie the alphabetically first. Store it as $m.
    ? Let $m be the letter of the longest list, the smallest letter in a tie.
    $m = min($d, key=lambda letter: (-len($d[letter]), letter))
    ? Print the letter and its words in alphabetical order, like "a: ant, ape".
    ? Print $m, a colon, a space, and the sorted words of that letter separated by ", ".
    print(f"{$m}: {', '.join(sorted($d[$m]))}")
    """,
    words=lambda d: d.sample(WORDS, d.randint(7, 12)),
    l="words|names|items",
    d="groups|by_letter|index",
    m="letter|initial|largest",
)
def words_by_letter(words: list[str]) -> str:
    """By a counter."""
    counts = Counter(word[0] for word in words)
    top = min(letter for letter in counts if counts[letter] == max(counts.values()))
    return f"{top}: " + ", ".join(word for word in sorted(words) if word.startswith(top))


@template(
    """
    ? Assign $text to the variable $s.
    ? Set $s to the string $text.
    $s = $text
    ? Write a function $f that returns True if a text reads the same in both directions, ignoring case and everything that is not a letter.
    ? Define $f(text): whether its letters, in lower case, are the same from front and back.
    def $f(text):
        letters = [c.lower() for c in text if c.isalpha()]
        return letters == letters[::-1]
    ? Store its result for $s in $p.
    ? Call it with $s and keep the result as $p.
    $p = $f($s)
    ? Print "palindrome" if $p is true and "no palindrome" otherwise.
    ? Depending on $p, print "palindrome" or "no palindrome".
    print("palindrome" if $p else "no palindrome")
    """,
    half=letters("abcde ", 3, 6),
    text=lambda d: (
        (
            d["half"]
            + d.choice(("", "x", ", "))
            + d["half"].upper()[::-1]
            + d.choice(("", "?", "b", "xy"))
        ).strip()
        or "a"
    ),
    s="phrase|text|candidate",
    f="is_palindrome|symmetric|same_backwards",
    p="result|answer|found",
)
def palindrome(text: str) -> str:
    """From both ends."""
    found = re.sub("[^a-z]", "", text.lower())
    same = all(found[i] == found[-1 - i] for i in range(len(found) // 2))
    return "palindrome" if same else "no palindrome"


@template(
    """
    ? Let $s be $text.
    ? Assign the text $text to $s.
    $s = $text
    ? Use a regular expression to find all integers in it, also negative ones, and store them as a list of ints named $n.
    ? Import re and extract the integers of $s (with a minus sign if there is one) into a list $n of ints.
    import re
    $n = [int(found) for found in re.findall(r"-?\\d+", $s)]
    ? Calculate the sum of the positive ones as $p and of the negative ones as $m.
    ? Store the total of the positive numbers in $p and the total of the negative ones in $m.
    $p = sum(n for n in $n if n > 0)
    $m = sum(n for n in $n if n < 0)
    ? Print both sums, separated by a slash.
    ? Print $p and $m with "/" between them.
    print($p, $m, sep="/")
    """,
    text=lambda d: " ".join(f"{word} {d.randint(-50, 50)}" for word in _some_words(d)),
    s="text|line|report",
    n="numbers|found|values",
    p="positive|gains|plus",
    m="negative|losses|minus",
)
def sums_in_text(text: str) -> str:
    """By splitting."""
    ints = list(map(int, text.split()[1::2]))
    return f"{sum(max(x, 0) for x in ints)}/{sum(min(x, 0) for x in ints)}"


@template(
    """
    ? Assign the text $text to a variable called $s.
    ? Store $text as $s.
    $s = $text
    ? Count how often each letter occurs with collections.Counter, and name the counts $c. Ignore spaces.
    ? Import Counter and count the characters of $s other than spaces in $c.
    from collections import Counter
    $c = Counter($s.replace(" ", ""))
    ? Make a list $r of the letters that occur only once, in the order of the text.
    ? Let $r be the letters with a count of 1, in the order in which they appear.
    $r = [letter for letter, count in $c.items() if count == 1]
    ? Print the first of them, or "-" if there is none.
    ? Print the first item of $r. If it is empty, print "-".
    print($r[0] if $r else "-")
    """,
    text=lambda d: " ".join(d.sample(WORDS, 3)),
    s="text|phrase|line",
    c="counts|letters|tally",
    r="rare|single|unique",
)
def first_single_letter(text: str) -> str:
    """By searching from both ends."""
    return next((c for c in text if c != " " and text.find(c) == text.rfind(c)), "-")


@template(
    """
    ? Create the variable $t with the template $pattern.
    ? Assign the text $pattern to $t.
    $t = $pattern
    ? Let $v be the dictionary $values.
    ? Store the values $values in a dict $v.
    $v = $values
    ? Replace each name in curly brackets by its value from the dictionary. Save the text as $r.
    ? Fill the template with str.format and the items of $v; the result is $r.
    $r = $t.format(**$v)
    ? Print $r with a capital first letter and all other letters as they are.
    ? Make the first letter of $r a capital, without changes to the rest, and print the text.
    print($r[:1].upper() + $r[1:])
    """,
    values=lambda d: {
        "thing": d.choice(WORDS),
        "place": d.choice(WORDS),
        "count": d.randint(2, 99),
    },
    pattern=pick(
        "the {thing} is behind {count} of the {place}s",
        "we counted {count} times: {thing} and {place}",
        "{thing} or {place}, {count} in all",
    ),
    t="template|pattern|form",
    v="values|data|fields",
    r="filled|result|message",
)
def filled_template(pattern: str, values: dict[str, object]) -> str:
    """By replacing one name after another."""
    for key, value in values.items():
        pattern = pattern.replace("{" + key + "}", str(value))
    return pattern[0].capitalize() + pattern[1:]


@template(
    """
    ? Assign the list of file names $names to $l.
    ? Let $l be the list $names.
    $l = $names
    ? Write a function $f that returns the ending of a file name, in lower case and without the dot, or an empty string if there is no dot.
    ? Define $f(name): the part after the last dot in lower case; "" for a name without a dot.
    def $f(name):
        return name.rpartition(".")[2].lower() if "." in name else ""
    ? Count the files for each ending in a dictionary named $d.
    ? Build a dict $d with each ending and the number of files that have it.
    $d = {}
    for name in $l:
        ending = $f(name)
        $d[ending] = $d.get(ending, 0) + 1
    ? Print the different endings, sorted, as a list.
    ? Print a sorted list of the keys.
    print(sorted($d))
    """,
    names=lambda d: [
        f"{word}{d.choice(('.txt', '.TXT', '.csv', '.tar.gz', '', '.Md', '.py'))}"
        for word in _some_words(d)
    ],
    l="files|names|paths",
    f="ending_of|extension|suffix",
    d="counts|by_ending|endings",
)
def file_endings(names: list[str]) -> list[str]:
    """By splitting."""
    return sorted({name.lower().split(".")[-1] if name.count(".") else "" for name in names})


@template(
    """
    ? Store $word in the variable $s.
    ? Assign the word $word to $s.
    $s = $word
    ? Define a set $v of the vowels a, e, i, o and u.
    ? Let $v be the set of the five vowels "aeiou".
    $v = set("aeiou")
    ? Find the 0-based positions of the vowels in $s and keep them in a list $p.
    ? Make a list $p of the indices of all vowels of the word.
    $p = [i for i, letter in enumerate($s) if letter in $v]
    ? Print the word with its vowels in upper case.
    ? Print $s, but with a capital letter at each position in $p.
    print("".join(c.upper() if i in $p else c for i, c in enumerate($s)))
    """,
    word=lambda d: "".join(d.sample(WORDS, 2)),
    s="word|name|text",
    v="vowels|wanted|letters",
    p="places|positions|where",
)
def capital_vowels(word: str) -> str:
    """By a regular expression."""
    return re.sub("[aeiou]", lambda match: match[0].upper(), word)
