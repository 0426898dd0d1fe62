"""TLS for tests: contexts that accept the server's throw-away certificate, channel bindings, and certificates made here."""

import pathlib
import ssl
import subprocess

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
    der = sock.getpeercert(True)
    text = subprocess.run(['openssl', 'x509', '-inform', 'DER', '-noout', '-text'], input=der,
                          stdout=subprocess.PIPE, check=True).stdout.decode()
    line = [s for s in text.splitlines() if 'Signature Algorithm' in s][0].lower()
    name = 'sha384' if 'sha384' in line else 'sha512' if 'sha512' in line else 'sha256'
    return hashlib.new(name, der).digest()


def openssl(*args):
    subprocess.run(['openssl', *map(str, args)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_certificate(folder, name, kind=('ec', '-pkeyopt', 'ec_paramgen_curve:P-256')):
    """key.pem and cert.pem in the folder: a certificate that signs itself."""
    openssl('req', '-x509', '-newkey', *kind, '-nodes', '-days', '2', '-subj', '/CN=' + name, '-keyout', folder / 'key.pem', '-out',
            folder / 'cert.pem')


def client_certificate(folder, ca, subject, email=None):
    """A key and a certificate for a client, signed by the authority; the path of both in one file."""
    name = folder / subject
    extra = folder / (subject + '.ext')
    extra.write_text('subjectAltName=email:%s\n' % email if email else 'basicConstraints=CA:FALSE\n')
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=' + subject, '-keyout',
            str(name) + '.key', '-out', str(name) + '.csr')
    openssl('x509', '-req', '-in', str(name) + '.csr', '-CA', ca / 'cert.pem', '-CAkey', ca / 'key.pem', '-CAcreateserial', '-days', '2',
            '-extfile', extra, '-out', str(name) + '.crt')
    both = folder / (subject + '.pem')
    both.write_text(pathlib.Path(str(name) + '.crt').read_text() + pathlib.Path(str(name) + '.key').read_text())
    return both
