"""What the chunker promises, on every document Hypothesis can think of."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest_worker.chunking.chunker import chunk
from services.ingest_worker.chunking.sizes import ChunkSizes
from shared.embeddings.spaces import FAKE, LOCAL, OPENAI_SMALL
from shared.models import Box, Chunk, Element, ElementKind
from shared.tokens.base import Tokenizer
from shared.tokens.build import build_tokenizer

TOKENIZERS: dict[str, Tokenizer] = {
    space.tokenizer: build_tokenizer(space) for space in (LOCAL, OPENAI_SMALL, FAKE)
}
WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=12
)
SENTENCES = st.lists(WORDS, min_size=1, max_size=20).map(lambda words: " ".join(words) + ".")
PROSE = st.lists(SENTENCES, min_size=1, max_size=12).map(" ".join)
LINES = st.lists(SENTENCES, min_size=1, max_size=12).map("\n".join)
SPACED = st.text(st.sampled_from(" \n\t\u00a0ab.。|"), max_size=400)
KINDS = st.sampled_from(list(ElementKind))


@st.composite
def documents(draw: st.DrawFn) -> list[Element]:
    """Elements with rising pages; titles of any level anywhere."""
    found, page = [], 1
    for kind in draw(st.lists(KINDS, max_size=25)):
        page += draw(st.sampled_from((0, 0, 0, 0, 1, 2)))
        title = kind is ElementKind.TITLE
        text = draw(SENTENCES if title else st.one_of(PROSE, LINES, SPACED))
        level = draw(st.one_of(st.none(), st.integers(1, 9))) if title else None
        box = Box(page=page, x0=10, y0=20, x1=90, y1=30) if draw(st.booleans()) else None
        found.append(Element(kind=kind, text=text, page=page, level=level, box=box))
    return found


def words_of(text: str) -> list[str]:
    """Cut at white space, and where a script without spaces ends a sentence."""
    return re.sub(r"([。\uff01\uff1f])", r"\1 ", text).split()


SIZES = st.sampled_from((16, 40, 200, 510, 1000)).map(ChunkSizes.of)
ANY_TOKENIZER = st.sampled_from(sorted(TOKENIZERS)).map(TOKENIZERS.__getitem__)


def cut(
    elements: Sequence[Element], tokenizer: Tokenizer = TOKENIZERS["bge"], max_tokens: int = 510
) -> list[Chunk]:
    return list(chunk(elements, tokenizer=tokenizer, sizes=ChunkSizes.of(max_tokens)))


def prose(words: int, mark: str = "w", sentence: int = 10) -> str:
    """`words` different words in sentences of ten."""
    made = []
    for number in range(words):
        word = f"{mark}{number}"
        made.append(word.capitalize() if number % sentence == 0 else word)
        if number % sentence == sentence - 1:
            made[-1] += "."
    return " ".join(made)


def paragraph(text: str, page: int = 1) -> Element:
    return Element(kind=ElementKind.PARAGRAPH, text=text, page=page)


def title(text: str, level: int = 1, page: int = 1) -> Element:
    return Element(kind=ElementKind.TITLE, text=text, level=level, page=page)


def table(text: str, page: int = 1) -> Element:
    return Element(kind=ElementKind.TABLE, text=text, page=page)


def is_subsequence(words: Sequence[str], of: Sequence[str]) -> bool:
    rest = iter(of)
    return all(word in rest for word in words)


def repeated_words(above: Chunk, below: Chunk) -> int:
    """How many words the second chunk begins with that the first ends with."""
    one, other = above.text.split(), below.text.split()
    return next(
        (size for size in range(min(len(one), len(other)), 0, -1) if one[-size:] == other[:size]),
        0,
    )


@given(documents(), ANY_TOKENIZER, SIZES)
@settings(max_examples=100, deadline=None)
def test_every_promise_on_any_document(
    elements: list[Element], tokenizer: Tokenizer, sizes: ChunkSizes
) -> None:
    chunks = list(chunk(elements, tokenizer=tokenizer, sizes=sizes))
    said = "".join(element.text for element in elements).split()
    assert bool(chunks) == bool(said)
    # Sizes.
    for one in chunks:
        assert one.tokens == max(1, tokenizer.count(one.text))
        assert one.tokens <= sizes.max_tokens
        assert one.text == one.text.strip("\n")
        assert one.text.strip()
    # Ordinals and pages.
    assert [one.ordinal for one in chunks] == list(range(len(chunks)))
    pages = [(one.page_start, one.page_end) for one in chunks]
    assert all(0 <= last - first <= 1 for first, last in pages)
    assert all(a <= c and b <= d for (a, b), (c, d) in pairwise(pages))
    assert {element.page for element in elements if element.text.strip()} == {
        page for first, last in pages for page in (first, last)
    }
    for one in chunks:
        assert {box.page for box in one.boxes} <= {one.page_start, one.page_end}
        assert len(one.boxes) <= 16


@given(documents(), st.sampled_from((40, 200, 510)))
@settings(max_examples=60, deadline=None)
def test_every_character_comes_in_order(elements: list[Element], max_tokens: int) -> None:
    """Cutting inside a word adds white space at most."""
    chunks = cut(elements, TOKENIZERS["bytes"], max_tokens)
    everything = "".join("".join(one.text.split()) for one in chunks)
    for element in elements:
        assert is_subsequence("".join(element.text.split()), everything)


@given(documents(), ANY_TOKENIZER)
@settings(max_examples=100, deadline=None)
def test_every_word_comes_in_order(elements: list[Element], tokenizer: Tokenizer) -> None:
    """Words are shorter than the least piece here, so none is cut but where a sentence ends."""
    wanted = [word for element in elements for word in words_of(element.text)]
    chunks = cut(elements, tokenizer, 400)
    assert is_subsequence(wanted, [word for one in chunks for word in words_of(one.text)])


def test_a_sentence_may_end_where_there_is_no_space() -> None:
    """Found by the property above, once in some thousand runs."""
    elements = [
        paragraph("0 " * 190 + "0."),
        paragraph("。a", page=2),
        paragraph("b " * 150, page=3),
    ]
    chunks = cut(elements, TOKENIZERS["bytes"], 400)
    everything = [word for one in chunks for word in words_of(one.text)]
    assert is_subsequence(["0.", "。", "a", "b"], everything)


@given(documents(), ANY_TOKENIZER, SIZES)
@settings(max_examples=50, deadline=None)
def test_the_same_elements_give_the_same_chunks(
    elements: list[Element], tokenizer: Tokenizer, sizes: ChunkSizes
) -> None:
    once = list(chunk(elements, tokenizer=tokenizer, sizes=sizes))
    assert list(chunk(iter(elements), tokenizer=tokenizer, sizes=sizes)) == once


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_a_cut_section_gives_chunks_between_least_and_most(paragraphs: list[int]) -> None:
    elements = [paragraph(prose(words, f"p{i}x")) for i, words in enumerate(paragraphs)]
    chunks = cut(elements)
    if len(chunks) > 1:
        # Where two fair halves allow a few tokens' play only, a word may not fit in there.
        assert all(255 - 8 <= one.tokens <= 510 for one in chunks)


@given(st.integers(600, 3000), st.integers(3, 12))
@settings(max_examples=50, deadline=None)
def test_neighbours_in_a_section_share_50_to_100_tokens(words: int, sentence: int) -> None:
    tokenizer = TOKENIZERS["bge"]
    chunks = cut([title("A title"), paragraph(prose(words, sentence=sentence))], tokenizer)
    assert len(chunks) > 1
    for above, below in pairwise(chunks):
        shared = below.text.split()[: repeated_words(above, below)]
        assert 50 <= tokenizer.count(" ".join(shared)) <= 100
        assert shared[0][0].isupper()  # A sentence's first word.


def test_nothing_gives_no_chunks() -> None:
    assert cut([]) == []
    assert cut([paragraph(" \n ")]) == []


def test_a_short_document_is_one_chunk_with_its_headings() -> None:
    elements = [title("Guide"), title("Start", 2), paragraph("Press it."), title("End", 2)]
    (only,) = cut(elements)
    assert only.text == "Guide\n\nStart\n\nPress it.\n\nEnd"
    assert only.section == ("Guide",)
    assert only.tokens == TOKENIZERS["bge"].count(only.text)


def test_long_sections_are_not_mixed_and_know_their_path() -> None:
    elements = [
        title("Book"),
        title("One", 2),
        paragraph(prose(400, "a")),
        title("Deep", 4),
        paragraph(prose(400, "b")),
        title("Two", 2),
        paragraph(prose(400, "c")),
    ]
    chunks = cut(elements)
    for one in chunks:
        assert (
            len({word[0].lower() for word in one.text.split() if word.strip(".")[-1].isdigit()})
            == 1
        )
    paths = list(dict.fromkeys(one.section for one in chunks))
    assert paths == [("Book", "One"), ("Book", "One", "Deep"), ("Book", "Two")]


def test_a_heading_without_text_goes_with_what_follows() -> None:
    first, *_ = cut([title("Book"), title("One", 2), paragraph(prose(900))])
    assert first.text.startswith("Book\n\nOne\n\nW0 ")
    assert first.section == ("Book", "One")


def test_small_sections_of_one_parent_are_merged_under_it() -> None:
    elements = [title("Book"), paragraph(prose(700, "intro"))]
    for name in ("One", "Two", "Three"):
        elements += [title(name, 2), paragraph(prose(30, name[:2].lower()))]
    *_, last = cut(elements)
    assert last.section == ("Book",)
    assert "One" in last.text
    assert "Three" in last.text


def test_small_sections_of_different_parents_are_not_merged() -> None:
    elements = [
        title("One"),
        paragraph(prose(700, "a")),
        title("Small", 2),
        paragraph(prose(20, "b")),
        title("Two"),
        paragraph(prose(700, "c")),
    ]
    paths = [one.section for one in cut(elements)]
    assert ("One", "Small") in paths


def test_text_before_the_first_title_has_no_path() -> None:
    first, *_ = cut([paragraph(prose(300)), title("Later"), paragraph(prose(300, "l"))])
    assert first.section == ()


def test_no_overlap_reaches_into_another_section() -> None:
    elements = [
        element
        for mark in "abcdef"
        for element in (title(f"Title {mark}"), paragraph(prose(700, mark)))
    ]
    for one in cut(elements):
        numbered = {word[0].lower() for word in one.text.split() if word.strip(".")[-1].isdigit()}
        assert len(numbered) == 1
        assert one.section == (f"Title {numbered.pop()}",)


def test_paragraphs_are_kept_whole_where_they_can_be() -> None:
    elements = [paragraph(prose(80, f"p{i}x")) for i in range(12)]
    for one in cut(elements):
        assert one.text.endswith("79.")


def test_a_split_table_repeats_its_header_and_keeps_rows_whole() -> None:
    rows = [f"row {i} | value {i} | remark {i}" for i in range(300)]
    chunks = cut([title("Data"), table("\n".join(["name | value | remark", *rows]))])
    assert len(chunks) > 3
    lines = [one.text.split("\n") for one in chunks]
    assert lines[0][2] == "name | value | remark"
    assert all(found[0] == "name | value | remark" for found in lines[1:])
    body = [line for found in lines for line in found if line.startswith("row")]
    assert body == rows


def test_rows_too_large_to_share_a_chunk_stand_alone() -> None:
    rows = [prose(110, f"r{i}x").replace(".", "") for i in range(4)]
    chunks = cut([table("\n".join(["head | er", *rows]))])
    assert [one.text for one in chunks] == [f"head | er\n{row}" for row in rows]


def test_a_header_as_large_as_a_chunk_is_not_repeated() -> None:
    header = prose(200, "h")
    chunks = cut([table("\n".join([header, *(prose(50, f"r{i}x") for i in range(20))]))])
    assert sum(one.text.count("H0 ") for one in chunks) == 1


def test_a_row_larger_than_a_chunk_is_cut() -> None:
    chunks = cut([table("a | b\n" + prose(2000))])
    assert all(one.tokens <= 510 for one in chunks)


def test_code_is_whole_when_it_fits() -> None:
    code = Element(kind=ElementKind.CODE, text="\n".join(f"    x{i} = {i}" for i in range(90)))
    chunks = cut([paragraph(prose(150)), code, paragraph(prose(150, "v"))])
    assert sum(code.text in one.text for one in chunks) == 1


def test_long_code_is_cut_at_lines_and_keeps_its_indentation() -> None:
    lines = [f"    x{i} = call(y{i})" for i in range(400)]
    chunks = cut([Element(kind=ElementKind.CODE, text="\n".join(lines))])
    assert [line for one in chunks for line in one.text.split("\n")] == lines


@pytest.mark.parametrize("name", sorted(TOKENIZERS))
@pytest.mark.parametrize("text", ["x" * 50_000, "漢" * 20_000, "aB3$" * 10_000, "😀" * 5_000])
def test_unbroken_text_is_cut_at_tokens(name: str, text: str) -> None:
    chunks = cut([paragraph(text)], TOKENIZERS[name])
    assert all(one.tokens <= 510 and len(one.text) <= 510 * 16 for one in chunks)
    assert len("".join(one.text for one in chunks)) >= len(text)


@pytest.mark.parametrize("kind", [ElementKind.PARAGRAPH, ElementKind.TABLE])
@pytest.mark.parametrize("word", ["*a **b ", "v | "])
def test_words_that_weigh_more_alone_than_together_make_full_chunks(
    kind: ElementKind, word: str
) -> None:
    """What is left of a text cut into such words is heavier than the whole less those cut off."""
    tokenizer = TOKENIZERS[OPENAI_SMALL.tokenizer]
    text = word * 20_000
    chunks = cut([Element(kind=kind, text=text)], tokenizer, max_tokens=1000)
    assert all(200 <= one.tokens <= 1000 for one in chunks[:-1])
    assert sum(one.tokens for one in chunks) <= 1.2 * tokenizer.count(text)


def test_sentences_end_where_a_reader_would_end_them() -> None:
    text = "Dr. Smith met J. Doe, e.g. at 3 p.m. on Fig. 2. She left! " * 60
    for one in cut([paragraph(text)])[:-1]:
        assert one.text.endswith(("Fig. 2.", "left!"))


def test_a_chunk_never_names_three_pages() -> None:
    elements = [paragraph(prose(30, f"p{page}x"), page) for page in range(1, 12)]
    chunks = cut(elements)
    assert [(one.page_start, one.page_end) for one in chunks] == [
        (1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (10, 11)
    ]  # fmt: skip


def test_a_section_on_three_pages_is_halved_without_a_crumb() -> None:
    elements = [
        title("Section", page=1),
        paragraph(prose(20, "a"), 1),
        *(paragraph(prose(30, f"b{i}x"), 2) for i in range(4)),
        paragraph(prose(20, "c"), 3),
    ]
    first, second = cut(elements)
    assert (first.page_start, first.page_end, second.page_end) == (1, 2, 3)
    assert min(first.tokens, second.tokens) > 100


def test_page_numbers_are_exact_with_overlap() -> None:
    chunks = cut([paragraph(prose(240, "a"), 1), paragraph(prose(240, "b"), 2)])
    for one in chunks:
        words = one.text.split()
        assert one.page_start == (1 if words[0].lower().startswith("a") else 2)
        assert one.page_end == (2 if words[-1].startswith("b") else 1)


def test_a_chunk_knows_where_in_its_text_a_page_begins() -> None:
    chunks = cut([paragraph(prose(60, "a"), 7), paragraph(prose(60, "b"), 8)])
    (turn,) = [turn for one in chunks for turn in one.page_turns]
    text = next(one.text for one in chunks if one.page_turns)
    assert turn[1] == 8
    assert set(text[: turn[0]].split()[0][:1].lower()) == {"a"}
    assert text[turn[0] :].lower().startswith("b")
    assert "b" not in text[: turn[0]].lower()


def test_it_streams() -> None:
    taken = 0

    def lazily() -> Iterator[Element]:
        nonlocal taken
        for taken in range(4000):
            yield paragraph(prose(20, f"p{taken}x"))

    chunks = chunk(lazily(), tokenizer=TOKENIZERS["bge"], sizes=ChunkSizes.of(510))
    next(chunks)
    assert taken < 1000
