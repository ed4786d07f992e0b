"""The fetcher: every link ends in its status, and no connection goes where it must not."""

import gzip
import io
import socket
import struct
import time
import zlib

import pytest
from PIL import Image
from web_server import Web, jpeg

from veduta.errors import BadInput
from veduta.pool.fetch import Fetcher, Policy, Status

LOCAL = {"allow_private": True, "pause": 0.01, "timeout": 5.0}


@pytest.fixture
def web():
    made = Web()
    yield made
    made.close()


def get(web_or_url, path="", **policy):
    url = web_or_url if isinstance(web_or_url, str) else web_or_url.base + path
    with Fetcher(Policy(**(LOCAL | policy))) as fetcher:
        return fetcher.fetch(url)


def test_a_good_link_gives_its_bytes(web):
    web.image("/a.jpg", 1)
    outcome = get(web, "/a.jpg")
    assert outcome.status is Status.FETCHED
    assert outcome.data == jpeg(1)
    assert web.hits == {"/robots.txt": 1, "/a.jpg": 1}
    assert web.agents == {"veduta"}


def header_only_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"x" * 6000) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("page", "status"),
    [
        ((404, {}, b""), Status.DEAD),
        ((410, {}, b""), Status.DEAD),
        ((403, {}, b""), Status.REFUSED),
        ((500, {}, b""), Status.SERVER),
        ((429, {}, b""), Status.SERVER),
        ((302, {}, b""), Status.DEAD),
        ((302, {"Location": "/page"}, b""), Status.REDIRECTS),
        ((302, {"Location": "file:///etc/passwd"}, b""), Status.NOT_A_LINK),
        ((200, {}, b"x" * 4999), Status.TOO_SMALL),
        ((200, {}, b"x" * 5000), Status.FETCHED),
        ((200, {"Content-Length": "20000", "Connection": "close"}, b"x" * 9000), Status.BROKEN),
        ((200, {"X-Robots-Tag": "noai"}, b"x" * 9000), Status.OPTED_OUT),
        ((200, {"X-Robots-Tag": "NOINDEX, NoImageAI"}, b"x" * 9000), Status.OPTED_OUT),
        ((200, {"X-Robots-Tag": "otherbot: noai"}, b"x" * 9000), Status.FETCHED),
        ((200, {"X-Robots-Tag": "otherbot: noindex, veduta: noai"}, b"x" * 9000), Status.OPTED_OUT),
        ((200, {"X-Robots-Tag": "unavailable_after: 25 Jun 2035 15:00:00 PST"}, b"x" * 9000), Status.FETCHED),
        ((200, {"TDM-Reservation": "1"}, b"x" * 9000), Status.OPTED_OUT),
        ((200, {}, header_only_png(20_000, 20_000)), Status.PIXELS),
        ((200, {"Content-Encoding": "gzip"}, gzip.compress(b"\0" * 5_000_000)), Status.TOO_LARGE),
    ],
)
def test_every_answer_has_its_status(web, page, status):
    web.pages["/page"] = page
    outcome = get(web, "/page", max_bytes=1_000_000)
    assert outcome.status is status, str(outcome)
    assert bool(outcome.data) == (status is Status.FETCHED)


def test_a_body_that_never_ends_stops_at_the_bound(web):
    web.pages["/big"] = (200, {"Content-Length": None, "Connection": "close"}, b"x" * 3_000_000)
    assert get(web, "/big", max_bytes=1_000_000).status is Status.TOO_LARGE


def test_a_packed_image_is_unpacked(web):
    web.pages["/a.jpg"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(jpeg(3)))
    assert get(web, "/a.jpg").data == jpeg(3)


@pytest.mark.parametrize(
    "link", ["", "ftp://host/a.jpg", "http://", "file:///etc/passwd", "http://u:p@host/", "http://[::1", "x" * 5000]
)
def test_what_is_no_web_link_is_never_asked_for(link):
    assert get(link).status is Status.NOT_A_LINK


def test_dead_hosts_and_ports():
    assert get("http://no-such-host.invalid/a.jpg").status is Status.DEAD
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert get(f"http://127.0.0.1:{free.getsockname()[1]}/a.jpg").status is Status.DEAD


def test_a_slow_server_times_out_and_is_tried_again(web):
    def slow():
        time.sleep(0.5)
        return 200, {}, jpeg(1)

    web.pages["/slow"] = slow
    assert get(web, "/slow", timeout=0.2, attempts=2).status is Status.TIMEOUT
    assert web.hits["/slow"] == 2


def test_a_passing_failure_is_mended_by_the_second_attempt(web):
    answers = iter([(503, {}, b""), (200, {}, jpeg(1))])
    web.pages["/a.jpg"] = lambda: next(answers)
    assert get(web, "/a.jpg").status is Status.FETCHED


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "2130706433", "0.0.0.0", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1"],
)
def test_private_addresses_are_refused_by_default(web, host):
    with Fetcher(Policy(timeout=2.0, attempts=1)) as fetcher:
        outcome = fetcher.fetch(f"http://{host}:{web.port}/a.jpg")
    assert outcome.status in (Status.ADDRESS, Status.DEAD), str(
        outcome
    )  # DEAD where the resolver does not know the form
    assert not web.hits


def test_each_hop_and_each_connection_is_checked(web, monkeypatch):
    """A public name that redirects to a private one, and a name that changes its address between two look-ups."""
    from veduta.pool.fetch import address

    web.image("/a.jpg")
    web.pages["/hop"] = (302, {"Location": f"http://inside.test:{web.port}/a.jpg"}, b"")
    lookups: list[str] = []

    async def fake(self, host, port, **_):
        lookups.append(host)
        addresses = {"outside.test": "127.0.0.1", "inside.test": "127.0.0.2"}
        if host == "rebinds.test":
            addresses[host] = "127.0.0.1" if lookups.count(host) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (addresses.get(host, host), port))]

    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.getaddrinfo", fake)
    monkeypatch.setattr(address, "is_public", lambda a: a == "127.0.0.1")
    with Fetcher(Policy(timeout=2.0, attempts=1, robots=False)) as fetcher:
        assert fetcher.fetch(f"http://outside.test:{web.port}/a.jpg").status is Status.FETCHED
        hop = fetcher.fetch(f"http://outside.test:{web.port}/hop")
        assert hop.status is Status.ADDRESS
        assert "inside.test" in hop.detail
        first = fetcher.fetch(f"http://rebinds.test:{web.port}/a.jpg")
        assert first.status is Status.FETCHED  # the connection went to the address that was checked
        fetcher.close()
        assert fetcher.fetch(f"http://rebinds.test:{web.port}/a.jpg").status is Status.ADDRESS


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("127.0.0.1", False), ("10.1.2.3", False), ("192.168.0.1", False),
        ("172.16.0.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False),
        ("255.255.255.255", False), ("::1", False), ("::", False), ("fe80::1%eth0", False), ("fc00::1", False),
        ("::ffff:10.0.0.1", False), ("::ffff:8.8.8.8", True), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False),
        ("fec0::1", False), ("nonsense", False),
    ],
)  # fmt: skip
def test_public_addresses(address, public):
    from veduta.pool.fetch.address import is_public

    assert is_public(address) is public


def test_robots_txt_is_obeyed_and_asked_for_once(web):
    web.pages["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /private/\n")
    good, bad = web.image("/a.jpg"), web.image("/private/b.jpg")
    with Fetcher(Policy(**LOCAL)) as fetcher:
        outcomes = list(fetcher.outcomes([good, bad, good, bad]))
    assert [o.status for o in outcomes] == [Status.FETCHED, Status.ROBOTS] * 2
    assert web.hits["/robots.txt"] == 1
    assert not web.hits["/private/b.jpg"]
    assert get(bad, robots=False).status is Status.FETCHED


def test_a_robots_txt_that_cannot_be_read_forbids(web):
    web.image("/a.jpg")
    web.pages["/robots.txt"] = (500, {}, b"")
    assert get(web, "/a.jpg").status is Status.ROBOTS
    web.pages["/robots.txt"] = (403, {}, b"")
    assert get(web, "/a.jpg").status is Status.FETCHED


def test_at_most_per_host_requests_at_a_time(web):
    def slow():
        time.sleep(0.02)
        return 200, {}, jpeg(1)

    for i in range(24):
        web.pages[f"/{i}"] = slow
    with Fetcher(Policy(**LOCAL, per_host=3, robots=False)) as fetcher:
        assert all(o.status is Status.FETCHED for o in fetcher.outcomes(f"{web.base}/{i}" for i in range(24)))
    assert 2 <= web.most_busy <= 3


def test_redirects_are_followed_to_the_image(web):
    web.image("/end.jpg", 5)
    for i in range(5):
        web.pages[f"/{i}"] = (301, {"Location": f"/{i + 1}" if i < 4 else "/end.jpg"}, b"")
    outcome = get(web, "/0")
    assert outcome.status is Status.FETCHED
    assert outcome.url.endswith("/end.jpg")
    assert get(web, "/0", redirects=4).status is Status.REDIRECTS


def test_the_policy_checks_itself():
    for wrong in ({"workers": 0}, {"timeout": 0}, {"redirects": -1}, {"agent": "a\r\nX: y"}):
        with pytest.raises(BadInput, match=next(iter(wrong))):
            Policy(**wrong)


def test_an_image_of_allowed_size_passes_the_header_check(web):
    stream = io.BytesIO()
    Image.new("RGB", (64, 64)).save(stream, "BMP")
    web.pages["/a.bmp"] = (200, {}, stream.getvalue())
    assert get(web, "/a.bmp").status is Status.FETCHED


def test_hosts_of_ones_own_network_are_allowed_by_name(web):
    web.image("/a.jpg", 1)
    closed = get(web, "/a.jpg", allow_private=False)
    assert closed.status is Status.ADDRESS
    assert closed.detail == (
        "127.0.0.1 is not a public address; if it is a server of your own network: --allow-private 127.0.0.1"
    )
    other = get(
        web.base.replace("127.0.0.1", "localhost") + "/a.jpg", allow_private=False, private_hosts=("127.0.0.1",)
    )
    assert other.status is Status.ADDRESS
    assert other.detail.startswith("localhost (")
    for named in ("127.0.0.1", web.base, "127.0.0.1:99", " 127.0.0.1 "):
        policy = Policy(pause=0.01, timeout=5.0).trusting([named])
        with Fetcher(policy) as fetcher:
            assert fetcher.fetch(web.base + "/a.jpg").status is Status.FETCHED
    assert Policy().trusting("NAS.Local").trusting(["Bücher.example", "::1"]).private_hosts == (
        "nas.local",
        "xn--bcher-kva.example",
        "::1",
    )
    for wrong in ("", "*", "a b", "http://"):
        with pytest.raises(BadInput, match="--allow-private"):
            Policy().trusting([wrong])
