from __future__ import annotations

import pytest

from veduta.select.licences import allowed, licence


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("CC-BY", "CC-BY", ""),
        ("cc by 4.0", "CC-BY", "4.0"),
        ("CC-BY-4.0", "CC-BY", "4.0"),
        ("Attribution License", "CC-BY", ""),
        ("Creative Commons Attribution 2.0 Generic", "CC-BY", "2.0"),
        ("http://creativecommons.org/licenses/by/2.0/", "CC-BY", "2.0"),
        ("https://creativecommons.org/licenses/by-nc-sa/3.0/de/", "CC-BY-NC-SA", "3.0"),
        ("licensed under https://creativecommons.org/licenses/by-nd/2.0/", "CC-BY-ND", "2.0"),
        ("Attribution-NonCommercial-ShareAlike License", "CC-BY-NC-SA", ""),
        ("Attribution-NoDerivs License", "CC-BY-ND", ""),
        ("Attribution-NonCommercial-NoDerivs License", "CC-BY-NC-ND", ""),
        ("CC BY-SA 4.0 International", "CC-BY-SA", "4.0"),
        ("CC0", "CC0", ""),
        ("cc-zero", "CC0", ""),
        ("CC0-1.0", "CC0", "1.0"),
        ("CC0 1.0 Universal", "CC0", "1.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0", "1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "PDM", "1.0"),
        ("Public Domain Mark", "PDM", ""),
        # What says more, or something else, is not a licence that we know.
        ("photo by John", "photo by john", ""),
        ("CC-BY except for pages 2.0 and 3.0", "cc-by except for pages 2.0 and 3.0", ""),
        ("CC BY-SA-ND", "cc by-sa-nd", ""),
        ("not CC-BY", "not cc-by", ""),
        ("All rights reserved", "all rights reserved", ""),
        ("MIT", "mit", ""),
        ("", "", ""),
    ],
)
def test_names(text: str, name: str, version: str):
    assert licence(text) == (name, version)


def test_what_is_allowed():
    any_by, by_4, own = [licence("CC-BY")], [licence("CC-BY-4.0")], [licence("House licence 7")]
    assert allowed("Attribution License", any_by)
    assert allowed("CC BY 2.0", any_by)
    assert not allowed("CC BY-NC 2.0", any_by)
    assert not allowed("CC BY-SA", any_by)
    assert allowed("http://creativecommons.org/licenses/by/4.0/", by_4)
    assert not allowed("CC BY 2.0", by_4)
    assert not allowed("CC BY", by_4)
    assert allowed("House Licence 7", own)
    assert not allowed("CC0", [])
