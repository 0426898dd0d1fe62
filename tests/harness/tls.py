"""TLS for tests: contexts that accept the server's throw-away certificate, and channel bindings."""

import ssl

TIMEOUT = 20


def context(version=None, alpn=None, ciphers=None):
    """A client's context; `version` fixes the TLS version, `alpn` is a list of protocol names."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    if version is not None:
        c.minimum_version = c.maximum_version = version
        if version < ssl.TLSVersion.TLSv1_2:
            c.set_ciphers('ALL:@SECLEVEL=0')
    if alpn is not None:
        c.set_alpn_protocols(alpn)
    if ciphers is not None:
        c.set_ciphers(ciphers)
    return c


def wrap(c, sock, name='localhost'):
    sock.settimeout(TIMEOUT)
    wrapped = c.wrap_socket(sock, server_hostname=name)
    wrapped.settimeout(None)
    return wrapped


def end_point_binding(sock):
    """tls-server-end-point of RFC 5929 4: the hash of the certificate, by the hash of its signature (SHA-256 for SHA-1, MD5)."""
    import hashlib
    import subprocess
    der = sock.getpeercert(True)
    text = subprocess.run(['openssl', 'x509', '-inform', 'DER', '-noout', '-text'], input=der,
                          stdout=subprocess.PIPE, check=True).stdout.decode()
    line = [s for s in text.splitlines() if 'Signature Algorithm' in s][0].lower()
    name = 'sha384' if 'sha384' in line else 'sha512' if 'sha512' in line else 'sha256'
    return hashlib.new(name, der).digest()
