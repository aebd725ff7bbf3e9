"""Where the key goes: to the origin of the base URL, over a connection that is verified, and to nobody else."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import pytest
import trustme

import openai_vtab
from openai_vtab.settings import Settings
from openai_vtab.transport.pools import open_pool

from ..support.server import Wire, answer, wire

KEY = "sk-for-one-origin-only"
T = "vector_store_file_batches"
STATEMENTS = {
    "SELECT": f"SELECT status FROM {T} WHERE vector_store_id = 'vs' AND batch_id = 'b'",
    "IN": f"SELECT status FROM {T} WHERE vector_store_id = 'vs' AND batch_id IN ('b', 'c')",
    "list": "SELECT id FROM vector_stores",
    "search": "SELECT * FROM vector_store_search('vs', 'refunds')",
    "INSERT": f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs', '[\"f\"]')",
    "upload": "INSERT INTO files (content, filename, purpose) VALUES ('x', 'x.md', 'assistants')",
    "function": "SELECT cancel_vector_store_file_batch('vs', 'b')",
}
BATCH = {"id": "b", "status": "completed"}

Connect = Callable[..., apsw.Connection]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """connect() to anywhere, with the key; closed at the end."""
    opened: list[apsw.Connection] = []

    def open_connection(base_url: str, **settings: Any) -> apsw.Connection:
        opened.append(
            openai_vtab.connect(base_url=base_url, **{"api_key": KEY, "max_retries": 0, "timeout": 3, **settings})
        )
        return opened[-1]

    yield open_connection
    for connection in opened:
        connection.close(True)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs here, whom nobody trusts by default."""
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its certificate in a file."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def tls_of(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """A server's context, with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def secure(authority: trustme.CA) -> Iterator[Wire]:
    """A server with TLS, as localhost and 127.0.0.1."""
    with wire(lambda _: answer(BATCH), tls_of(authority, "localhost", "127.0.0.1")) as server:
        yield server


# certificates


def test_certificates_are_read_once(connect: Connect, authority: trustme.CA, tmp_path: Path) -> None:
    """Not by each connection: the second one is verified without the file."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    last = {"connection": "close"}
    with wire(lambda _: answer(BATCH, headers=last), tls_of(authority, "127.0.0.1")) as server:
        db = connect(server.url("https"), ca_bundle=bundle)
        assert db.execute(STATEMENTS["SELECT"]).get == "completed"
        bundle.unlink()
        assert db.execute(STATEMENTS["SELECT"]).get == "completed"
        assert server.connections == 2


def test_certificates_are_read_once_by_all_connections(authority: trustme.CA, tmp_path: Path) -> None:
    """As long as the file is the same: one that has changed is read again."""
    bundle = tmp_path / "ca.pem"

    def tls() -> ssl.SSLContext:
        pool = open_pool("https://127.0.0.1/v1", bundle, size=1, kept_alive=True, direct=True).pool
        found = pool.conn_kw["ssl_context"]
        assert isinstance(found, ssl.SSLContext)
        return found

    authority.cert_pem.write_to_path(str(bundle))
    first = tls()
    assert tls() is first
    trustme.CA().cert_pem.write_to_path(str(bundle), append=True)
    second = tls()
    assert (len(first.get_ca_certs()), len(second.get_ca_certs())) == (1, 2)


# redirects


@pytest.mark.sample(8)
@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("where", ["another", "the same", "relative", "none"])
def test_redirect_is_not_followed(connect: Connect, status: int, where: str) -> None:
    """Wherever it leads, for whatever statement: an error that says where, and no second request."""
    with wire() as other:
        locations = {"another": other.url() + "/x", "relative": "/v1/elsewhere", "none": ""}

        def respond(_: bytes) -> bytes:
            location = locations.get(where, f"{first.url()}/x")
            return answer({}, status, {"location": location} if location else {})

        with wire(respond) as first:
            for sql in STATEMENTS.values():
                db = connect(first.url(), max_retries=4)
                with pytest.raises(openai_vtab.APIError, match=f"answered {status}: ") as caught:
                    db.execute(sql).fetchall()
                assert caught.value.status == status
                if where != "none":
                    assert "which is not followed because it would receive the key" in str(caught.value)
                    assert locations.get(where, f"{first.url()}/x") in str(caught.value)
            assert len(STATEMENTS) <= len(first.heads) <= len(STATEMENTS) + 1  # of the IN list one or two
        assert other.heads == []


# http


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "LocalHost",
        "127.0.0.1",
        "127.0.0.2",
        "127.255.255.254",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::0001]",
    ],
)
def test_http_to_this_machine_is_allowed(host: str) -> None:
    """However it is spelled."""
    assert Settings(base_url=f"http://{host}:8080/v1").checked_base_url() == f"http://{host}:8080/v1"


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0", "0", "[::]", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "127.0.0.1.", "127.0.0.1.evil.com",
        "localhost.evil.com", "localhost.", "localhost.localdomain", "xlocalhost", "evil.com", "10.0.0.1", "192.168.0.1",
        "169.254.169.254", "[::ffff:10.0.0.1]", "[fe80::1]", "loc%61lhost", "127.0.0.1%00", "１２７.0.0.1", "localhost。evil.com",
        "[::1].evil.com", "[::1", "::1",
    ],
)  # fmt: skip
def test_http_to_another_machine_is_refused(host: str) -> None:
    """And what only some would take for this one: refused with http://, unless it is allowed."""
    with pytest.raises(openai_vtab.ConfigurationError, match=r"the key would travel unencrypted|is not an address"):
        openai_vtab.connect(base_url=f"http://{host}:8080/v1")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1\\@evil.com/v1", "http://127.0.0.1\\.evil.com/v1", "http://127.0.0.1\t.evil.com/v1",
        "http://evil.com\t@127.0.0.1/v1", "http://127.0.0.1@evil.com/v1", "http://127.0.0.1:80@evil.com/v1", "http://@evil.com/v1",
        "http://evil.com#@127.0.0.1/v1", "http://evil.com?@127.0.0.1/v1", "http://127.0.0.1 .evil.com/v1", "http://127.0.0.1\r\n/v1",
        "http://127.0.0.1:99999/v1", "http://127.0.0.1:x/v1", "HTTP://evil.com/v1", " http://evil.com/v1", "http:/127.0.0.1/v1",
        "http:127.0.0.1", "//127.0.0.1/v1", "file:///etc/passwd", "unix:///x", "https://x/v1?", "https://x/v1#", "https://x/v1#a",
        "https://[::1]x/v1", "https://x/v1\u2028",
    ],
)  # fmt: skip
def test_base_url_that_is_no_address(url: str) -> None:
    """Or that would be read in two ways."""
    with pytest.raises(openai_vtab.ConfigurationError):
        openai_vtab.connect(base_url=url)


def test_http_host_checked_is_the_host_requested(connect: Connect) -> None:
    """Upper case, or another address of it."""
    with wire(lambda _: answer(BATCH)) as server:
        for host in ("LOCALHOST", "localhost"):
            assert connect(server.url(host=host)).execute(STATEMENTS["SELECT"]).get == "completed"
        assert len(server.heads) == 2
    with wire(lambda _: answer(BATCH)) as server:
        db = connect(server.url(host="0.0.0.0"), allow_http=True)
        assert db.execute(STATEMENTS["SELECT"]).get == "completed"


# TLS


@pytest.mark.parametrize("sql", STATEMENTS.values(), ids=STATEMENTS)
def test_tls_refuses_an_untrusted_certificate(connect: Connect, secure: Wire, sql: str) -> None:
    """Nothing is sent; a create certainly was not carried out."""
    secure.heads.clear()
    with pytest.raises(openai_vtab.APIConnectionError, match=r"cannot connect: .*certificate verify failed") as caught:
        connect(secure.url("https")).execute(sql).fetchall()
    assert not caught.value.sent
    assert "may have been carried out" not in str(caught.value)
    assert secure.heads == []


def test_retry_is_not_tried_for_an_untrusted_certificate(
    connect: Connect, secure: Wire, authority: trustme.CA, bundle: str
) -> None:
    """It will not be trusted in a second either: one attempt, and what to set."""
    advice = r"\(1 attempt\); the server's certificate is not trusted: .* set ca_bundle, or REQUESTS_CA_BUNDLE"
    with pytest.raises(openai_vtab.APIConnectionError, match=advice) as caught:
        connect(secure.url("https"), max_retries=5).execute(STATEMENTS["SELECT"]).fetchall()
    assert caught.value.lasting
    advice = r"\(1 attempt\); the server's certificate is for another host: check base_url"
    with (
        wire(lambda _: answer(BATCH), tls_of(authority, "api.example.org")) as server,
        pytest.raises(openai_vtab.APIConnectionError, match=advice),
    ):
        connect(server.url("https"), ca_bundle=bundle, max_retries=5).execute(STATEMENTS["SELECT"]).fetchall()


@pytest.mark.parametrize("key", ["wrong", "WRONG", "SSL:"])
def test_tls_to_a_port_of_http(connect: Connect, sandbox: Any, key: str) -> None:
    """The error says so, at once, with both addresses; a key that is a word of OpenSSL's stays in OpenSSL's words."""
    db = connect("https" + sandbox.base_url[4:], api_key=key, max_retries=5)
    problem = rf"1 attempt\); base_url is https{sandbox.base_url[4:]}, but the server does not speak TLS there: write {sandbox.base_url}, or"
    with pytest.raises(openai_vtab.APIConnectionError, match=problem) as caught:
        db.execute(STATEMENTS["SELECT"]).fetchall()
    said = str(db.execute("SELECT error FROM openai_requests").get)
    for text in (str(caught.value), said):
        assert "[key]" not in text
    db.close()


def test_tls_trusts_a_bundle(
    connect: Connect, secure: Wire, bundle: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """ca_bundle, else REQUESTS_CA_BUNDLE, else CURL_CA_BUNDLE; what is given wins."""
    secure.heads.clear()
    sql = STATEMENTS["SELECT"]
    assert connect(secure.url("https"), ca_bundle=bundle).execute(sql).get == "completed"
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        with monkeypatch.context() as environment:
            environment.setenv(name, bundle)
            assert connect(secure.url("https", "localhost")).execute(sql).get == "completed"
            with pytest.raises(openai_vtab.APIConnectionError, match="certificate verify failed"):
                connect(secure.url("https"), ca_bundle=str(other)).execute(sql).fetchall()
    assert len(secure.heads) == 3
    assert all(f"Authorization: Bearer {KEY}".encode() in head for head in secure.heads)
    none = tmp_path / "none.pem"
    with pytest.raises(
        openai_vtab.ConfigurationError,
        match=r"ca_bundle is '.*none\.pem', which is not a usable bundle of CA certificates: No such",
    ):
        connect(secure.url("https"), ca_bundle=str(none)).execute(sql).fetchall()


@pytest.mark.parametrize("names", [("api.example.org",), ("10.0.0.1",), ("*.localhost",)])
def test_tls_refuses_a_certificate_of_another_name(
    connect: Connect, authority: trustme.CA, bundle: str, names: tuple[str]
) -> None:
    """Trusted, but not for this host."""
    with wire(lambda _: answer(BATCH), tls_of(authority, *names)) as server:
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(openai_vtab.APIConnectionError, match="certificate verify failed"):
                connect(server.url("https", host), ca_bundle=bundle).execute(STATEMENTS["SELECT"]).fetchall()
        assert server.heads == []


def test_tls_verification_cannot_be_turned_off(connect: Connect, secure: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by an empty setting nor by an environment that others know."""
    secure.heads.clear()
    for name, value in (("PYTHONHTTPSVERIFY", "0"), ("REQUESTS_CA_BUNDLE", ""), ("CURL_CA_BUNDLE", "")):
        monkeypatch.setenv(name, value)
    with pytest.raises(openai_vtab.InterfaceError, match="ca_bundle is False; write a str or a pathlib"):
        connect(secure.url("https"), ca_bundle=False)
    for given in (None, ""):
        with pytest.raises(openai_vtab.APIConnectionError, match="certificate verify failed"):
            connect(secure.url("https"), ca_bundle=given).execute(STATEMENTS["SELECT"]).fetchall()
    assert secure.heads == []


# what others would add


def test_cookies_are_not_kept(connect: Connect) -> None:
    """Nor sent back."""
    with wire(lambda _: answer(BATCH, headers={"set-cookie": "session=1; Path=/"})) as server:
        db = connect(server.url())
        for sql in STATEMENTS.values():
            with suppress(openai_vtab.Error):  # of some the answer is another object
                db.execute(sql).fetchall()
        assert len(server.heads) >= len(STATEMENTS)
        assert not any(b"cookie" in head.lower() for head in server.heads)


def test_netrc_is_not_read(
    connect: Connect, secure: Wire, bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the one that NETRC names nor the one at home, also where there is TLS."""
    for name in (".netrc", "_netrc", "netrc"):
        (tmp_path / name).write_text("default login me password secret\nmachine localhost login me password secret\n")
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    for netrc in (None, str(tmp_path / "netrc")):
        if netrc:
            monkeypatch.setenv("NETRC", netrc)
        secure.heads.clear()
        assert (
            connect(secure.url("https", "localhost"), ca_bundle=bundle).execute(STATEMENTS["SELECT"]).get == "completed"
        )
        assert [head.lower().count(b"authorization: ") for head in secure.heads] == [1]
        assert f"Bearer {KEY}".encode() in secure.heads[0]


# proxies


def test_proxy_for_https_sees_no_key(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for a tunnel by the host's name, and what is said within is TLS."""
    with wire(lambda _: b"HTTP/1.1 502 No\r\ncontent-length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url(path=""))
        for sql in STATEMENTS.values():
            with pytest.raises(openai_vtab.APIConnectionError, match="cannot connect") as caught:
                connect("https://api.example.invalid/v1").execute(sql).fetchall()
            assert not caught.value.sent
        assert set(proxy.lines) <= {
            "CONNECT api.example.invalid:443 HTTP/1.1",
            "CONNECT api.example.invalid:443 HTTP/1.0",
        }
        assert not any(KEY.encode() in head or b"uthorization" in head for head in proxy.heads)
        count = len(proxy.heads)
        monkeypatch.setenv("NO_PROXY", "example.invalid")
        with pytest.raises(openai_vtab.APIConnectionError, match="cannot connect"):
            connect("https://api.example.invalid/v1").execute(STATEMENTS["SELECT"]).fetchall()
        assert len(proxy.heads) == count


def test_proxy_is_not_used_for_this_machine(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """With http:// the proxy, on another machine perhaps, would be told the key in clear."""
    with wire(lambda _: answer(BATCH)) as proxy, wire(lambda _: answer(BATCH)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(path=""))
        for host in ("127.0.0.1", "localhost"):
            assert connect(server.url(host=host), allow_http=True).execute(STATEMENTS["SELECT"]).get == "completed"
        assert (len(server.heads), proxy.heads) == (2, [])
        # what is allowed goes as it always does
        db = connect("http://api.example.invalid/v1", allow_http=True)
        assert db.execute(STATEMENTS["SELECT"]).get == "completed"
        assert proxy.lines == ["GET http://api.example.invalid/v1/vector_stores/vs/file_batches/b HTTP/1.1"]
