"""Browsers are named as people know them."""

import pytest

from apps.accounts.templatetags.devices import device

LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.0 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (LINUX, "Chrome on Linux"),
        (LINUX.replace("Chrome/", "HeadlessChrome/"), "Chrome on Linux"),
        (PHONE, "Safari on iOS"),
        ("Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Windows"),
        ("curl/8.1", "curl"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("", "unknown"),
    ],
)
def test_a_browser_is_told_by_its_name_and_system(said: str, shown: str) -> None:
    assert device(said) == shown
