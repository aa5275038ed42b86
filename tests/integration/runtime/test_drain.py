"""Drain: what lives ends in peace, what does not end is cut, and nobody else gets in."""

import signal
import socket

import pytest

from tests.support import port_is_closed, wait_until

from .conftest import SITE, receive, request


def test_exchanges_in_flight_are_finished(start_site):
    site = start_site(SITE.replace("timeout: 10s", "timeout: 60s"))
    with socket.create_connection(("127.0.0.1", site.port()), timeout=60) as sock:
        sock.sendall(b"GET /hold?5 HTTP/1.1\r\n\r\n")
        _wait_for_exchange(site)
        site.signal(signal.SIGTERM)
        wait_until(lambda: port_is_closed(site.port()), what="refused connections")
        assert receive(sock)[1] == 1
        assert site.wait_for_exit() == 0
    site.check_log()


def test_what_does_not_end_is_cut_at_the_deadline(start_site):
    site = start_site(SITE.replace("timeout: 10s", "timeout: 1s"))
    with socket.create_connection(("127.0.0.1", site.port()), timeout=60) as sock:
        sock.sendall(b"GET /hold?600 HTTP/1.1\r\n\r\n")
        _wait_for_exchange(site)
        site.signal(signal.SIGTERM)
        assert sock.recv(100) == b""
        assert site.wait_for_exit() == 0
    site.wait_for_log("drain timed out, cutting off 1 connections, 1 exchanges")


def test_idle_connections_do_not_hold_it(start_site):
    site = start_site(SITE.replace("timeout: 10s", "timeout: 600s"))
    with (
        socket.create_connection(("127.0.0.1", site.port()), timeout=60) as kept,
        socket.create_connection(("127.0.0.1", site.port()), timeout=60),
    ):
        request(kept)
        site.signal(signal.SIGTERM)
        assert site.wait_for_exit() == 0
        assert kept.recv(100) == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(start_site, number):
    site = start_site(SITE.replace("timeout: 10s", "timeout: 600s"))
    with socket.create_connection(("127.0.0.1", site.port()), timeout=60) as sock:
        sock.sendall(b"GET /hold?600 HTTP/1.1\r\n\r\n")
        _wait_for_exchange(site)
        site.signal(number)
        site.wait_for_log("draining, at most 600 s")
        site.signal(number)
        assert site.wait_for_exit() == 0
    site.check_log()


def test_the_command_drains(start_site):
    site = start_site()
    done = site.command("drain", str(site.path))
    assert (done.returncode, done.stdout) == (0, "draining\n")
    assert site.wait_for_exit() == 0
    again = site.command("drain", str(site.path))
    assert again.returncode == 1
    assert "no instance answers" in again.stderr


def test_a_reload_during_a_drain_is_refused(start_site):
    site = start_site(SITE.replace("timeout: 10s", "timeout: 60s"))
    with socket.create_connection(("127.0.0.1", site.port()), timeout=60) as sock:
        sock.sendall(b"GET /hold?8 HTTP/1.1\r\n\r\n")
        _wait_for_exchange(site)
        site.signal(signal.SIGTERM)
        site.wait_for_log("draining")
        done = site.command("reload", str(site.path))
        assert done.returncode == 1
        assert "the instance is draining" in done.stderr
        assert receive(sock)[1] == 1


def _wait_for_exchange(site):
    wait_until(lambda: '"exchanges": 1' in site.admin("/status").text, what="the exchange in flight")
