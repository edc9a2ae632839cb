"""Proxies come from the environment, SOCKS included."""

import socket
import socketserver
import threading
from contextlib import suppress

import pytest
from download_runs import FILES, WANTED, dataset_program


class Socks(socketserver.StreamRequestHandler):
    """SOCKS 5 without a password, as `ssh -D` serves it."""

    def handle(self):
        self.rfile.read(self.rfile.read(2)[1])
        self.wfile.write(b"\x05\x00")
        kind = self.rfile.read(4)[3]
        host = self.rfile.read(self.rfile.read(1)[0] if kind == 3 else 4)
        address = host.decode() if kind == 3 else socket.inet_ntoa(host)
        port = int.from_bytes(self.rfile.read(2), "big")
        self.server.asked.append(port)
        with socket.create_connection((address, port)) as there:
            self.wfile.write(b"\x05\x00\x00\x01" + bytes(6))
            threading.Thread(target=pump, args=(there, self.connection), daemon=True).start()
            pump(self.connection, there)


def pump(source, target):
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy(tmp_path, hub, scheme):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Socks) as proxy:
        proxy.asked, proxy.daemon_threads = [], True
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        address = f"{scheme}://127.0.0.1:{proxy.server_address[1]}"
        done = dataset_program(hub, tmp_path, ALL_PROXY=address, NO_PROXY="", no_proxy="")
        assert done.returncode == 0, done.stderr
        assert {f"http://127.0.0.1:{port}" for port in proxy.asked} == {hub.endpoint}
        proxy.shutdown()
    folder = tmp_path / "results" / "raw"
    assert {name: (folder / name).read_bytes() for name in WANTED} == {name: FILES[name] for name in WANTED}


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("HF_ENDPOINT", "https://hub example", "HF_ENDPOINT: must be an address like https://huggingface.co"),
        ("HF_ENDPOINT", " https://hub", "HF_ENDPOINT: must be an address"),
        ("HF_ENDPOINT", "hub", "HF_ENDPOINT: must be an address"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "SSL_CERT_FILE: there is no /nowhere/ca.pem"),
        ("SSL_CERT_DIR", "/nowhere", "SSL_CERT_DIR: there is no /nowhere"),
    ],
)
def test_a_variable_that_no_connection_can_be_made_with(tmp_path, hub, variable, value, said):
    done = dataset_program(hub, tmp_path, **{variable: value})
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {said}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("address", ["ftp://proxy:21", "http://user:s3cret/word@proxy:3128"])
def test_a_proxy_that_is_none_is_one_line(tmp_path, hub, address):
    done = dataset_program(hub, tmp_path, HTTPS_PROXY=address)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == (
        "error: owner/set at main: invalid proxy address; correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY"
    )
