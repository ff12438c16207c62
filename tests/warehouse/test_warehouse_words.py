"""Long names keep the end that tells them apart."""

from apps.warehouse.templatetags.warehouse_words import tail


def test_a_long_name_keeps_its_end_and_a_short_one_stays() -> None:
    assert tail("front/cam-3/frame-00017.jpg", 10) == "…00017.jpg"
    assert tail("a.jpg", 5) == "a.jpg"
