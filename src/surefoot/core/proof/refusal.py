"""Whether an answer says no. By its words: good enough to gate on where a refusal is short, not to judge long texts."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["refusal_phrase"]

_BEGINNING: Final = 400
"""Characters looked at. Whoever refuses says so at once; a later "I can't" is usually part of an answer."""

_CANNOT: Final = r"(?:can ?not|can'?t|won'?t|will not|could(?: not|n'?t)|am (?:not able|unable)|'m (?:not able|unable))"
_TO_DO: Final = (
    r"(?: to)? (?:\w+ )?(?:help|assist|comply|provide|share|do that|do this|support|fulfil?l|answer|discuss|create|"
    r"write|generate|engage|continue|process|disclose|reveal|give|perform|carry out|participate)"
)
_PHRASES: Final = re.compile(
    rf"\bi ?{_CANNOT}{_TO_DO}\b"
    rf"|\bwe {_CANNOT}{_TO_DO}\b"
    r"|\bi(?: must|'ll have to| have to| need to)?(?: respectfully| politely)? decline\b"
    r"|\bi(?:'m| am) not (?:allowed|permitted|authori[sz]ed|comfortable)\b"
    r"|\bi refuse to\b"
    r"|\bas an ai(?: language)?(?: model| assistant)?,? i (?:can ?not|can'?t|do not|don'?t)\b"
    r"|\b(?:that|this) (?:request )?(?:is|goes) (?:against|outside) (?:my|our|the) (?:polic|guideline|scope)"
    r"|\b(?:this|that|it) (?:is|would be) (?:against|a violation of) (?:my|our|the) (?:polic|guideline|terms)"
    r"|\bes tut mir leid,? (?:aber )?(?:ich|das) kann\b|\bich kann (?:dir|ihnen|ihre|deine)?.{0,40}nicht helfen\b"
    r"|\bje ne peux pas\b|\blo siento,? (?:pero )?no puedo\b|\bno puedo (?:ayudar|proporcionar)"
)
_QUOTES: Final = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "\u00a0": " "})


def refusal_phrase(answer: str) -> str | None:
    """The words by which the answer refuses, or None if its first 400 characters hold none that is known."""
    found = _PHRASES.search(" ".join(answer[:_BEGINNING].translate(_QUOTES).lower().split()))
    return found[0] if found else None
