"""The words of a text, and what is looked for."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.scripts import script_of
from domain.search_words import MAX_TIMES, MAX_WORDS, NOTHING, indexed, phrases_in, words, written_by


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Where is my ORDER #12-345?", ["where", "is", "my", "order", "12", "345"]),
        ("Crème BRÛLÉE naïve Ångström", ["creme", "brulee", "naive", "angstrom"]),
        ("creme\u0301 \ufb01ne \u212ain \uff21\uff22\uff11", ["creme", "fine", "kin", "ab", "1"]),
        ("Straße STRASSE ΣΊΣΥΦΟΣ σίσυφος", ["strasse", "strasse", "σισυφοσ", "σισυφοσ"]),
        ("snake_case don't e-mail@x.y", ["snake", "case", "don", "t", "e", "mail", "x", "y"]),
        ("Привет, мир! 東京 ۱۲", ["привет", "мир", "東", "京", "۱۲"]),
        ("\u0130stanbul DIYARBAKIR", ["istanbul", "diyarbakir"]),
        ("😀 ... _ \u0301", []),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_or_digits_without_case_and_accents(text: str, found: list[str]) -> None:
    assert words(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("我的包裹没到", [*"我的包裹没到"]),
        ("荷物がまだ", [*"荷物がまだ"]),
        ("ﾎﾟｽﾄ", [*"ポスト"]),
        ("택배가 안 와요", [*"택배가안와요"]),
        (unicodedata.normalize("NFD", "택배が"), [*"택배が"]),
        ("𠮷野家\U00030edd", [*"𠮷野家\U00030edd"]),
        ("\u845b\U000e0100飾", [*"葛飾"]),
        ("人々は〇", [*"人々は〇"]),
        ("ไม่ได้รับ", [*"ไม่ได้รับ"]),
        ("ບໍ່ໄດ້", [*"ບໍ່ໄດ້"]),
        ("မရ", [*"မရ"]),
        ("ខ្ញុំ", [*"ខ្ញុំ"]),
    ],
)
def test_a_character_of_a_script_without_spaces_is_a_word(text: str, found: list[str]) -> None:
    assert words(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("订单order1234没到", ["订", "单", "order", "1234", "没", "到"]),
        ("заказABC12", ["заказ", "abc", "12"]),
        ("order12", ["order", "12"]),
        ("طلب١٢٣", ["طلب", "١٢٣"]),
        ("ऑर्डर99", ["ऑर्डर", "99"]),
        ("København łódź", ["københavn", "łodz"]),
    ],
)
def test_a_change_of_script_ends_a_word(text: str, found: list[str]) -> None:
    assert words(text) == found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ホスト", "ポスト"),
        ("はは", "ぱぱ"),
        ("कि", "की"),
        ("कम", "काम"),
        ("মা", "মি"),
        ("ไม่", "ไม้"),
        ("தீ", "தி"),
    ],
)
def test_a_mark_that_makes_another_letter_makes_another_word(one: str, other: str) -> None:
    assert words(one) != words(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("résumé", "resume"), ("ёлка", "елка"), ("άλφα", "αλφα"), ("كَتَبَ", "كتب"), ("שָׁלוֹם", "שלום"), ("1️⃣", "1")],
)
def test_accents_and_vowel_points_make_no_difference(one: str, other: str) -> None:
    assert words(one) == words(other)


@example("\u0e01\u0e31")  # a Thai consonant with its vowel
@example("\u0710\u0e31")  # the vowel behind a letter of another script
@example("\u0915" + "\u093f" * 150)
@given(st.text())
def test_the_words_of_words_are_the_same_words(text: str) -> None:
    found = words(text)

    assert words(" ".join(found)) == found
    assert all(0 < len(word) <= 100 and all(map(script_of, word)) for word in found)


@given(st.text(), st.text())
def test_words_do_not_depend_on_what_stands_beside_them(one: str, other: str) -> None:
    assert words(f"{one} {other}") == words(one) + words(other)


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_is_read_as_any_other_text(text: str) -> None:
    assert words(text) == words(f"{text} é")[:-1]


def test_what_is_too_long_for_a_word_is_several() -> None:
    assert words("x" * 250) == ["x" * 100, "x" * 100, "x" * 50]


@given(st.lists(st.sampled_from("abc"), max_size=1_000))
def test_a_word_is_indexed_only_so_often_and_the_others_keep_their_places(text: list[str]) -> None:
    found = indexed(" ".join(text))

    assert len(found) == len(text)
    for word in "abc":
        places = [at for at, each in enumerate(text) if each == word]
        assert [at for at, each in enumerate(found) if each == word] == places[:MAX_TIMES]
    assert {*found} <= {"a", "b", "c", NOTHING}


def test_of_a_text_only_so_many_words_are_indexed() -> None:
    assert len(indexed(" ".join(map(str, range(MAX_WORDS + 9))))) == MAX_WORDS


@given(st.text(max_size=255))
def test_no_text_contains_a_writer(author: str) -> None:
    assert re.fullmatch("†[0-9a-f]{24}", written_by(author))
    assert written_by(author) not in words(written_by(author))


@pytest.mark.parametrize(
    ("keyword", "phrases"),
    [
        ("late", [("late",)]),
        ("order1234 Late", [("order", "1234"), ("late",)]),
        ("包裹 没到", [("包", "裹"), ("没", "到")]),
        ('"包裹 没到"', [("包", "裹", "没", "到")]),
        ("订单A12", [("订", "单", "a", "12")]),
        ("x" * 101, [("x" * 100, "x")]),
        ("Late  Order", [("late",), ("order",)]),
        ('"late order"', [("late", "order")]),
        ('my "late order" Now', [("my",), ("late", "order"), ("now",)]),
        ('"late order', [("late", "order")]),
        ('late late "late"', [("late",)]),
        ('""', []),
        ('" " !', []),
        ("AND OR NOT NEAR(a b) a* ^a a:b -a", [(w,) for w in ("and", "or", "not", "near", "a", "b")]),
    ],
)
def test_quotes_hold_words_together(keyword: str, phrases: list[tuple[str, ...]]) -> None:
    assert phrases_in(keyword) == phrases
