"""The published list of quantities says what the code does."""

from __future__ import annotations

from tests.architecture import nomenclature


def test_the_nomenclature_page_is_what_the_code_says():
    written = nomenclature.PAGE.read_text(encoding="utf-8")
    assert written == nomenclature.render(), "run: python -m tests.architecture.nomenclature"
