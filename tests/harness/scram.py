"""A SCRAM client of our own (RFC 5802, RFC 7677), so that the server's library is not tested with itself."""

import base64
import hashlib
import hmac
import os


class Scram:
    def __init__(self, hash_name, user, password, binding=None, gs2=None, authzid='', nonce=None):
        """`binding` is (type, data) for a -PLUS mechanism; `gs2` overrides the flag ('n', 'y', 'p=tls-unique')."""
        self.hash = hash_name
        self.user = user
        self.password = password.encode()
        self.binding = binding
        flag = gs2 or ('p=' + binding[0] if binding else 'n')
        self.header = '%s,%s,' % (flag, 'a=' + authzid if authzid else '')
        self.nonce = nonce or base64.b64encode(os.urandom(18)).decode()
        self.bare = 'n=%s,r=%s' % (user.replace('=', '=3D').replace(',', '=2C'), self.nonce)
        self.server_key = None
        self.auth = None
        self.salt = None
        self.iterations = None
        self.spoil = lambda proof: proof

    def first(self):
        return (self.header + self.bare).encode()

    def hmac(self, key, data):
        return hmac.new(key, data, self.hash).digest()

    def final(self, challenge):
        """The answer to the server's first message."""
        fields = dict(f.split('=', 1) for f in challenge.decode().split(','))
        if not fields['r'].startswith(self.nonce) or fields['r'] == self.nonce:
            raise AssertionError('the server did not add to the nonce: %r' % challenge)
        self.salt = base64.b64decode(fields['s'])
        self.iterations = int(fields['i'])
        if self.iterations < 4096:
            raise AssertionError('too few iterations (RFC 5802 5.1): %d' % self.iterations)
        salted = hashlib.pbkdf2_hmac(self.hash, self.password, self.salt, self.iterations)
        client_key = self.hmac(salted, b'Client Key')
        stored = hashlib.new(self.hash, client_key).digest()
        self.server_key = self.hmac(salted, b'Server Key')
        data = self.header.encode() + (self.binding[1] if self.binding else b'')
        bare = 'c=%s,r=%s' % (base64.b64encode(data).decode(), fields['r'])
        self.auth = ','.join([self.bare, challenge.decode(), bare]).encode()
        proof = bytes(a ^ b for a, b in zip(client_key, self.hmac(stored, self.auth)))
        return ('%s,p=%s' % (bare, base64.b64encode(self.spoil(proof)).decode())).encode()

    def verify(self, challenge):
        """Checks the server's signature; returns the empty answer that ends the exchange."""
        fields = dict(f.split('=', 1) for f in challenge.decode().split(','))
        if 'v' not in fields:
            raise AssertionError('no signature: %r' % challenge)
        if base64.b64decode(fields['v']) != self.hmac(self.server_key, self.auth):
            raise AssertionError('the signature of the server is wrong')
        return b''
