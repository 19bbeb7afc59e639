"""How alike two texts are, without a model: the measures of question answering, summarising and translation."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

__all__ = ["Support", "answer_text", "bleu", "rouge_l", "support", "token_f1", "tokens", "words"]

_WORD: Final = re.compile(r"[^\W_]+")
_ARTICLES: Final = frozenset({"a", "an", "the"})
_NO_WORD: Final = re.compile(r"[^\w\s]|_")
_JOINERS: Final = frozenset("\u200c\u200d")
"""Without a width, inside of words of Persian and the scripts of India."""

_UNSPACED: Final = (
    r"\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    r"\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Scripts without spaces between words: Thai, Lao, Burmese, Khmer, kana, Han."""

_ON_THEM: Final = (
    r"\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u1056-\u1059\u105e-\u1060"
    r"\u1062-\u1064\u1067-\u106d\u1071-\u1074\u1082-\u108d\u108f\u109a-\u109d\u17b4-\u17d3\u17dd\u3099\u309a"
)
"""Their marks: of the character before them."""

_BETWEEN: Final = re.compile(rf"(?=[{_UNSPACED}])(?![{_ON_THEM}])|(?<=[{_UNSPACED}])(?=[^\s{_UNSPACED}])")
_MOST_WORDS: Final = 20_000
"""ROUGE-L costs the product of both lengths: texts are compared by their first 20,000 words."""

_ENTITIES: Final = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_13A: Final = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
"""Tokenisation `13a` of NIST's mteval-v13a.pl, as sacrebleu has it: the rules that made BLEU figures comparable."""

_HIGHEST_ORDER: Final = 4


def answer_text(response: object) -> str | None:
    """What an answer says: a text as it is, anything else as JSON with sorted keys; None was not recorded."""
    if response is None or isinstance(response, str):
        return response
    return json.dumps(response, sort_keys=True, ensure_ascii=False, default=str)


def words(text: str) -> list[str]:
    """The words of a text in small letters: runs of letters, their marks, and digits of any alphabet."""
    if text.isascii():
        return _WORD.findall(text.lower())
    return _split(_plain(text, " "))


def tokens(text: str) -> list[str]:
    """
    The words of a text, and each character of a script that writes none apart (Chinese, Japanese, Thai ...).

    A sentence of such a script would else be one word, and no two sentences would have a word in common. The scripts
    for Chinese question answering (CMRC 2018, MLQA) and the `zh` tokeniser of sacrebleu part characters, too.
    """
    if text.isascii():
        return words(text)
    return _split(_BETWEEN.sub(" ", _plain(text, " ")))


def token_f1(answer: str, reference: str) -> float:
    """
    Shared words, 0 to 1: the harmonic mean of how many of the answer's are right and how many of the reference's are
    there, each counted as often as it stands. Small letters, no punctuation, no English articles (SQuAD 1.1's script);
    a character is a word where none are parted (see `tokens`).
    """
    mine, theirs = _squad(answer), _squad(reference)
    if not mine or not theirs:
        return float(mine == theirs)
    return _f1(sum((Counter(mine) & Counter(theirs)).values()), len(mine), len(theirs))


def rouge_l(answer: str, reference: str) -> float:
    """
    The longest common subsequence of words as F1, 0 to 1 (Lin 2004).

    Equal to the `rouge-score` package without stemming for ASCII; other letters are words here (see `tokens`) and
    dropped there.
    """
    mine, theirs = tokens(answer)[:_MOST_WORDS], tokens(reference)[:_MOST_WORDS]
    return _f1(_longest_common(mine, theirs), len(mine), len(theirs))


def bleu(answer: str, reference: str) -> float:
    """
    Shared runs of one to four tokens with a penalty for brevity, 0 to 1 (Papineni et al. 2002).

    Equal to sacrebleu's `sentence_bleu` divided by 100: tokenisation 13a, effective order, exponential smoothing. As
    there, a sentence without spaces is one token: take another measure for Chinese, Japanese or Thai.
    """
    mine, theirs = _tokens_13a(answer), _tokens_13a(reference)
    logs: list[float] = []
    doubt = 1.0
    for order in range(1, min(_HIGHEST_ORDER, len(mine)) + 1):
        total = len(mine) - order + 1
        right = sum((Counter(_runs(mine, order)) & Counter(_runs(theirs, order))).values())
        if right == 0:
            doubt *= 2
        logs.append(math.log(right / total if right else 1 / (doubt * total)))
    # Without one shared token smoothing would make something out of nothing.
    if not logs or not set(mine) & set(theirs):
        return 0.0
    brevity = 1.0 if len(mine) >= len(theirs) else math.exp(1 - len(theirs) / len(mine))
    return brevity * math.exp(math.fsum(logs) / len(logs))


class Support(NamedTuple):
    """How much of an answer is found in its sources."""

    share: float
    """Of its runs of words, 0 to 1."""

    missing: tuple[str, ...]
    """The first runs found in no source, in the answer's order."""


def support(answer: str, sources: Iterable[str], *, n: int = 3, shown: int = 3) -> Support | None:
    """
    How many of the answer's runs of `n` words stand in one of the sources (n-gram precision against all of them).

    An answer shorter than `n` words is looked up as a whole. None for an answer without a word: there is nothing to
    support. It finds what was made up, not what was put together wrongly: an answer may quote and still be false.
    """
    said = tokens(answer)
    if not said:
        return None
    size = min(n, len(said))
    known = {run for source in sources for run in _runs(tokens(source), size)}
    runs = _runs(said, size)
    missing = [run for run in runs if run not in known]
    return Support(1 - len(missing) / len(runs), tuple(" ".join(run) for run in missing[:shown]))


def _squad(text: str) -> list[str]:
    plain = _NO_WORD.sub("", text.lower()) if text.isascii() else _BETWEEN.sub(" ", _plain(text, ""))
    return [word for word in _split(plain) if word not in _ARTICLES]


def _plain(text: str, instead: str) -> str:
    """Small letters, composed (NFC); something else instead of all but letters, their marks, digits and spaces."""
    lower = unicodedata.normalize("NFC", text).lower()
    others = {sign for sign in set(lower) if not (sign.isalnum() or sign.isspace() or _is_in_words(sign))}
    return lower.translate({ord(sign): "" if _is_selector(sign) else instead for sign in others})


def _is_in_words(sign: str) -> bool:
    return sign in _JOINERS or (unicodedata.category(sign) in {"Mn", "Mc"} and not _is_selector(sign))


def _is_selector(sign: str) -> bool:
    """A variation selector: it chooses how the sign before it looks, and what is said is the same."""
    return "\ufe00" <= sign <= "\ufe0f" or "\U000e0100" <= sign <= "\U000e01ef"


def _split(text: str) -> list[str]:
    """The words of a text; marks and joiners without a letter are not words."""
    return [word for word in text.split() if any(map(str.isalnum, word))]


def _f1(shared: int, mine: int, theirs: int) -> float:
    return 2 * shared / (mine + theirs) if shared else 0.0


def _longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence, a machine word at a time (Hyyro 2004, bit-parallel)."""
    places: dict[str, int] = {}
    for index, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << index
    everything = (1 << len(one)) - 1
    row = everything
    for word in other:
        matches = row & places.get(word, 0)
        row = (row + matches | row - matches) & everything
    return len(one) - row.bit_count()


def _tokens_13a(text: str) -> list[str]:
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    if "&" in text:
        for entity, sign in _ENTITIES:
            text = text.replace(entity, sign)
    text = f" {text} "
    for pattern, replacement in _13A:
        text = pattern.sub(replacement, text)
    return text.split()


def _runs(tokens: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)]
