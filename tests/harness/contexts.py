"""A client's lists of RFC 5267: kept by ADDTO and REMOVEFROM, as a client must."""

from .imap import esearch
from .parse import ProtocolError, numbers


def updates(r):
    """The (word, position, numbers) of an ESEARCH response, in their order; numbers in the order in which they stand."""
    data = list(r.data)
    out = []
    while data and not (isinstance(data[0], str) and data[0].upper() in ('ADDTO', 'REMOVEFROM')):
        data.pop(0)
    for word, pairs in zip(data[::2], data[1::2]):
        if str(word).upper() not in ('ADDTO', 'REMOVEFROM'):
            continue
        for at, numbers_set in zip(pairs[::2], pairs[1::2]):
            if not isinstance(at, int):
                raise ProtocolError('a position is no number: %r' % r)
            out.append((str(word).upper(), at, numbers(numbers_set)))
    return out


class List:
    """The result of one searching command. `order`: SORT gave it, so positions are needed."""

    def __init__(self, tag, numbers, is_uid, is_sorted):
        self.tag, self.numbers, self.is_uid, self.is_sorted = tag, list(numbers), is_uid, is_sorted
        self.updates = 0
        self.ended = False

    def esearch(self, r, exists):
        for word, at, these in updates(r):
            self.updates += 1
            if bool(esearch(r).get('UID')) != self.is_uid:
                raise ProtocolError('numbers and UIDs mixed up: %r' % r)
            if self.is_sorted and at == 0:
                raise ProtocolError('no position in a SORT: %r' % r)
            if not self.is_uid and max(these) > exists:
                raise ProtocolError('a number that EXISTS has not told: %r' % r)
            if word == 'ADDTO':
                self.add(at, these, r)
            else:
                self.remove(at, these, r)

    def add(self, at, these, r):
        if any(n in self.numbers for n in these) or at > len(self.numbers) + 1:
            raise ProtocolError('%r does not fit %r' % (r, self.numbers))
        if at == 0:
            self.numbers = sorted(self.numbers + these)
        else:
            self.numbers[at - 1:at - 1] = these

    def remove(self, at, these, r):
        if at == 0:
            if any(n not in self.numbers for n in these):
                raise ProtocolError('%r does not fit %r' % (r, self.numbers))
            self.numbers = [n for n in self.numbers if n not in these]
        else:
            if self.numbers[at - 1:at - 1 + len(these)] != these:
                raise ProtocolError('%r does not fit %r' % (r, self.numbers))
            del self.numbers[at - 1:at - 1 + len(these)]

    def expunge(self, number):
        if self.is_uid:
            return
        if number in self.numbers:
            raise ProtocolError('EXPUNGE %d before REMOVEFROM' % number)
        self.numbers = [n - (n > number) for n in self.numbers]


class Client:
    """Follows all untagged responses of a connection, in their order."""

    def __init__(self, imap):
        self.imap = imap
        self.exists = imap.exists
        self.lists = {}

    def begin(self, command):
        """Sends a command with RETURN (UPDATE ALL ...) and keeps its result; returns the list."""
        words = command.upper().split(' ')
        tag = self.imap.begin(command)
        r = self.imap.end(tag)
        if r.status != 'OK':
            raise ProtocolError('%r: %r' % (command, r))
        first = [u for u in r.untagged if u.name == 'ESEARCH'][0]
        found = numbers(esearch(first)['ALL']) if 'ALL' in esearch(first) else []
        self.lists[tag] = List(tag, found, words[0] == 'UID', 'SORT' in words[:2])
        self.follow(u for u in r.untagged if u is not first)
        return self.lists[tag]

    def follow(self, responses):
        for r in responses:
            if r.name == 'EXISTS':
                self.exists = r.number
            elif r.name == 'EXPUNGE':
                self.exists -= 1
                for one in self.lists.values():
                    one.expunge(r.number)
            elif r.name == 'ESEARCH' and updates(r):
                self.lists[esearch(r)['TAG']].esearch(r, self.exists)
            elif r.code and r.code[0] == 'NOUPDATE':
                self.lists[r.code[1].decode()].ended = True

    def cmd(self, *parts):
        r = self.imap.cmd(*parts)
        self.follow(r.untagged)
        return r

    def ok(self, *parts):
        r = self.cmd(*parts)
        if r.status != 'OK':
            raise ProtocolError('%r: %r' % (parts, r))
        return r

    def wait(self, predicate):
        """Reads until the predicate is true of the lists: in IDLE."""
        while not predicate():
            self.follow([self.imap.response()])
        self.imap.untagged = []
