from __future__ import annotations

from emoloom.mixture.mirrors import BLOCKED, MISHAPS, OPERATORS, TERMS, WINDFALLS


def test_every_term_has_one_partner_on_the_other_side_and_in_the_same_use() -> None:
    for term, entry in TERMS.items():
        back = TERMS[entry.mirror]
        assert back.mirror == term
        assert back.pleasant is not entry.pleasant
        assert back.held_out is entry.held_out


def test_the_table_is_of_the_size_that_the_docs_state_and_a_fair_part_is_held_out() -> None:
    assert len(TERMS) > 500
    assert 0.2 < sum(entry.held_out for entry in TERMS.values()) / len(TERMS) < 0.35


def test_no_word_of_a_held_out_pair_is_part_of_a_training_pair() -> None:
    words = {
        use: {word for term, e in TERMS.items() if e.held_out is use for word in term.split()} for use in (True, False)
    }
    common = words[True] & words[False]
    assert common <= {*"about at by feel feeling felt for i me of really so that to very with".split()}


def test_terms_are_written_as_they_are_looked_up() -> None:
    for term in (*TERMS, *BLOCKED, *MISHAPS, *WINDFALLS):
        assert term == " ".join(term.split())
        assert "’" not in term
    assert all(term == term.lower() for term in TERMS if term.replace(" ", "").isalpha())
    assert TERMS.keys() >= OPERATORS
