"""robots.txt by the examples and rules of RFC 9309."""

import time

import pytest

from veduta.pool.fetch.robots import Robots

RFC = """
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
"""


@pytest.mark.parametrize(
    ("agent", "path", "allowed"),
    [
        ("veduta", "/a.gif", False),
        ("veduta", "/a.gif?x", True),
        ("veduta", "/example/page.html", False),
        ("veduta", "/publications/", True),
        ("foobot", "/other", False),
        ("foobot", "/example/page.html", True),
        ("FooBot/2.1 (+mail)", "/example/allowed.gif", True),
        ("barbot", "/example/page.html", False),
        ("bazbot", "/a.gif", True),
        ("quxbot", "/example/page.html", True),
    ],
)
def test_the_example_of_the_rfc(agent, path, allowed):
    assert Robots(RFC, agent).allows(path) is allowed


def test_the_longest_match_decides_and_allow_wins_a_tie():
    rules = Robots("user-agent: *\nallow: /example/page/\ndisallow: /example/page/disallowed.gif\n", "x")
    assert not rules.allows("/example/page/disallowed.gif")
    tie = Robots("user-agent: *\ndisallow: /p\nallow: /p\n", "x")
    assert tie.allows("/page")


def test_percent_encoding_and_comments_do_not_matter():
    rules = Robots("User-agent: * # all\nDisallow: /f%C3%BC/ # not this\n", "x")
    assert not rules.allows("/fü/a.jpg")
    assert not rules.allows("/f%c3%bc/a.jpg")
    assert rules.allows("/fu/")


def test_nothing_said_allows_everything():
    assert Robots("", "x").allows("/")
    assert Robots("<html>not found</html>", "x").allows("/a")
    assert Robots("User-agent: *\nDisallow:\n", "x").allows("/a")


@pytest.mark.parametrize(
    ("rule", "path", "hit"),
    [
        ("/*.php$", "/a/b.php", True),
        ("/*.php$", "/a.php/b.php", True),
        ("/*.php$", "/a.php5", False),
        ("/a*b*c", "/axxbyyc/more", True),
        ("/a*b*c", "/acb", False),
        ("/x$", "/x", True),
        ("/x$", "/xx", False),
        ("/ab*ab$", "/ab", False),
        ("/ab*ab$", "/abab", True),
        ("*", "/anything", True),
    ],
)
def test_wildcards(rule, path, hit):
    assert Robots(f"user-agent: *\ndisallow: {rule}\n", "x").allows(path) is not hit


def test_hostile_rules_cost_no_time():
    rules = Robots("user-agent: *\n" + "disallow: /" + "a*" * 2000 + "b\n", "x")
    start = time.perf_counter()
    assert rules.allows("/" + "a" * 4000)
    assert time.perf_counter() - start < 1
