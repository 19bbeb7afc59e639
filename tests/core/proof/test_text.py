"""Measures of text: equal to the packages they are named after, and laws that hold for any text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.proof.text import answer_text, bleu, rouge_l, support, token_f1, words

TEXTS = st.text(alphabet="ab c.,1\n-é", max_size=40)

ORACLE = [
    # answer, reference, sacrebleu 2.x sentence_bleu / 100, rouge-score rougeL F1
    ("the cat sat on the mat", "the cat is on the mat", 0.3799178428257963, 0.8333333333333334),
    (
        "Order 4417 arrives on Friday.",
        "Your order 4417 will arrive on Friday.",
        0.23263472697663296,
        0.6666666666666666,
    ),
    ("3.5-4 kg (net), &amp; more", "3.5-4 kg net & more", 0.3246679154750989, 0.923076923076923),
    ("a", "a", 1.0, 1.0),
]


@pytest.mark.parametrize(("answer", "reference", "blue", "rouge"), ORACLE)
def test_bleu_and_rouge_are_those_of_the_packages(answer, reference, blue, rouge):
    """What sacrebleu and rouge-score say, to the last digits."""
    assert bleu(answer, reference) == pytest.approx(blue, abs=1e-12)
    assert rouge_l(answer, reference) == pytest.approx(rouge, abs=1e-12)


def test_token_f1_is_that_of_squad():
    """Two of three words in common, after articles and punctuation are gone."""
    assert token_f1("The red cat!", "a red dog") == pytest.approx(0.5)
    assert token_f1("the", "an") == 1.0
    assert token_f1("", "cat") == 0.0


@settings(max_examples=60)
@given(TEXTS, TEXTS)
def test_a_measure_is_a_share_and_equal_texts_are_alike(one, other):
    """0 to 1; 1 for a text and itself, where it has anything to compare; F1 and ROUGE do not care who is first."""
    for measure in (token_f1, rouge_l, bleu):
        assert 0 <= measure(one, other) <= 1 + 1e-12
    assert token_f1(one, one) == 1
    assert rouge_l(one, one) == (1 if words(one) else 0)
    assert bleu(one, one) == pytest.approx(1 if one.split() else 0)
    assert rouge_l(one, other) == pytest.approx(rouge_l(other, one))
    assert token_f1(one, other) == pytest.approx(token_f1(other, one))


@settings(max_examples=40)
@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_rouge_rests_on_the_longest_common_subsequence(one, other):
    """The bit-parallel length is that of the textbook table."""
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, left in enumerate(one):
        for j, right in enumerate(other):
            table[i + 1][j + 1] = table[i][j] + 1 if left == right else max(table[i][j + 1], table[i + 1][j])
    longest = table[-1][-1]
    wanted = 2 * longest / (len(one) + len(other)) if longest else 0
    assert rouge_l(" ".join(one), " ".join(other)) == pytest.approx(wanted)


def test_support_finds_what_stands_in_no_source():
    """Every run of words that is nowhere is counted, and the first are named."""
    found = support("your order arrives on friday", ["the order arrives on monday"], n=2)
    assert found is not None
    assert found.share == pytest.approx(0.5)
    assert found.missing == ("your order", "on friday")
    assert support("Friday", ["on friday."]) == (1.0, ())
    assert support("...", ["x"]) is None


@settings(max_examples=40)
@given(TEXTS, TEXTS)
def test_a_quotation_is_supported(one, other):
    """What stands in a source is supported by it, whatever else the source says."""
    found = support(one, [f"{one} {other}"])
    assert found is None or found.share == 1


def test_an_answer_that_is_no_text_is_read_as_json():
    """Keys are sorted, so that equal values are equal texts; nothing recorded stays nothing."""
    assert answer_text({"b": 1, "a": [None]}) == '{"a": [null], "b": 1}'
    assert answer_text(None) is None
