import pytest

from services.query_api.generation.verification.numbers import numbers_of


def meet(said: str, source: str) -> bool:
    """Whether every number of one text is meant by one of another."""
    there = {value for number in numbers_of(source) for value in number.values}
    asked = [number for number in numbers_of(said) if number.asked]
    assert asked
    return all(number.meets(there) for number in asked)


@pytest.mark.parametrize(
    ("said", "source"),
    [
        ("16 weeks", "a sixteen-week leave"),
        ("twenty-one days", "21 days"),
        ("1.2 million", "1,200,000"),
        ("€12.5 million", "12,500,000 euros"),
        ("two hundred and fifty thousand", "250 000"),
        ("1.234.567", "1,234,567"),
        ("3,5 Prozent", "3.5 percent"),
        ("80%", "80 per cent"),
        ("the nineteenth century", "the 19th century"),
        ("15 March 2024", "2024-03-15"),
        ("March 15, 2024", "15.03.2024"),
        ("2:30 am", "02:30"),
        ("2 pm", "14:00"),
        ("1945", "1939\u201345"),
        ("1998", "1998年"),
        ("about 1,200", "1,187"),
        ("over 1,000 people", "1,187 people"),
        ("nearly 50", "47.6"),
        ("5k", "5,000"),
        ("10 GB", "10GB"),
        ("١٦", "16"),
    ],
)
def test_a_number_is_the_same_however_it_is_written(said: str, source: str) -> None:
    assert meet(said, source)


@pytest.mark.parametrize(
    ("said", "source"),
    [
        ("16 weeks", "18 weeks"),
        ("1.2 million", "1.2 billion"),
        ("1,200", "1,187"),
        ("about 1,200", "2,400"),
        ("over 1,000", "900"),
        ("15 March 2024", "2024-05-15"),
        ("twenty", "twenty-one"),
        ("8:30", "9:30"),
        ("2019", "v2.0.19"),
    ],
)
def test_another_number_is_not_it(said: str, source: str) -> None:
    assert not meet(said, source)


def test_nobody_is_asked_for_numbers_that_count_nothing() -> None:
    assert not any(one.asked for one in numbers_of("First, one of these three is the second."))
