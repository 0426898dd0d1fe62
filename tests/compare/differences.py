"""The differences between Posthorn's and Dovecot's answers that are meant to be, one function each.

A rule gets the two values that differ and the message, and says whether it explains them. Its first line is the heading under
which docs/dovecot-differences.md has the words of the RFC that make ours right; a test compares the two lists.
"""
import re
import urllib.parse

RULES = []


def rule(*items):
    def add(fn):
        RULES.append((items, fn))
        return fn
    return add


def explain(item, ours, theirs, message):
    """The rule that explains a difference of this item, or None."""
    for items, fn in RULES:
        if item in items and fn(ours, theirs, message):
            return fn
    return None


def heading(fn):
    return fn.__doc__.strip().split('\n')[0]


def count_field(message, name):
    header = re.split(rb'\r\n\r\n', message, maxsplit=1)[0]
    return len(re.findall(rb'(?im)^' + name + rb'[ \t]*:', header))


def params(values):
    """A parameter list as a dictionary: extended values decoded, the order forgotten."""
    found = {}
    for name, value in zip((values or [])[0::2], (values or [])[1::2]):
        name = name.lower().decode('latin-1')
        if name.endswith('*'):
            charset, _, text = value.decode('latin-1').split("'", 2)
            try:
                value = urllib.parse.unquote_to_bytes(text).decode(charset or 'us-ascii', 'replace').encode()
            except LookupError:
                value = text.encode()
            # What is no character at all has no one replacement: it says the same however many of them stand there.
            value = re.sub(rb'(\xef\xbf\xbd)+.?', b'?', value)
        found[name] = value
    return found


def is_params(v):
    return v is None or (isinstance(v, list) and len(v) % 2 == 0 and all(isinstance(x, bytes) for x in v))


@rule('ENVELOPE')
def no_host(ours, theirs, message):
    """An address without a host"""
    return ours == b'' and theirs in (b'MISSING_DOMAIN', b'MISSING_MAILBOX')


@rule('ENVELOPE')
def empty_addresses(ours, theirs, message):
    """Empty elements of address lists"""
    return isinstance(ours, list) and isinstance(theirs, list) and \
        ours == [a for a in theirs if a[2:] != [b'MISSING_MAILBOX', b'MISSING_DOMAIN']]


@rule('ENVELOPE')
def no_angle_brackets(ours, theirs, message):
    """Addresses without angle brackets or commas"""
    return any(s in message for s in (b'Big Bug bb@bug.com', b'Mikel@Lindsaar', b'<Undisclosed-Recipient:@', b'tim@powerupdev.com concierge@'))


@rule('ENVELOPE')
def only_a_name(ours, theirs, message):
    """A name without an address"""
    return re.search(rb'(?m)^To *: Mary Smith\r?$', message) is not None


@rule('ENVELOPE')
def folds(ours, theirs, message):
    """White space in and around values"""
    return isinstance(ours, bytes) and isinstance(theirs, bytes) and ours.split() == theirs.split()


@rule('ENVELOPE')
def repeated(ours, theirs, message):
    """Fields that stand there twice"""
    return any(count_field(message, f) > 1 for f in (b'Subject', b'From', b'To'))


@rule('BODY', 'BODYSTRUCTURE')
def parameters(ours, theirs, message):
    """Extended parameters, and no charset that is not there"""
    if not is_params(ours) or not is_params(theirs):
        return False
    a, b = params(ours), params(theirs)
    if 'charset' not in a and b.get('charset') == b'us-ascii':
        del b['charset']
    return a == b


@rule('BODY', 'BODYSTRUCTURE')
def names_with_spaces(ours, theirs, message):
    """File names with spaces and no quotes"""
    if not is_params(ours) or not is_params(theirs):
        return False
    a, b = params(ours), params(theirs)
    b.pop('charset', None)
    return a.keys() == b.keys() and all(a[k].startswith(b[k]) for k in a)


@rule('BODY', 'BODYSTRUCTURE', 'SECTION')
def unquoted_boundary(ours, theirs, message):
    """Boundaries with = and no quotes"""
    return re.search(rb'boundary=-+=', message) is not None


@rule('BODY', 'BODYSTRUCTURE', 'SECTION')
def no_parts(ours, theirs, message):
    """A multipart in which no boundary comes"""
    m = re.search(rb'boundary="([^"]+)"', message)
    return m is not None and (b'\r\n--' + m.group(1)) not in message


@rule('BODYSTRUCTURE')
def no_disposition(ours, theirs, message):
    """A Content-Disposition that says nothing"""
    return ours is None and theirs == [b'', None]


@rule('BODY', 'BODYSTRUCTURE')
def encoding_with_junk(ours, theirs, message):
    """A transfer encoding with something behind it"""
    return ours == b'quoted-printable' and theirs == b'7bit' and b'quoted-printable;' in message


@rule('BODY', 'BODYSTRUCTURE')
def no_type(ours, theirs, message):
    """A Content-Type that says nothing"""
    return isinstance(theirs, list) and theirs[:2] == [b'', b''] and ours[:2] == [b'text', b'plain']


@rule('BODY', 'BODYSTRUCTURE', 'SECTION')
def message_global(ours, theirs, message):
    """message/global"""
    return b'message/global' in message


@rule('SECTION')
def line_end(ours, theirs, message):
    """The line end before a boundary"""
    return isinstance(ours, bytes) and isinstance(theirs, bytes) and ours + b'\r\n' == theirs and \
        theirs + b'--' in message


@rule('BODY', 'BODYSTRUCTURE')
def line_end_sizes(ours, theirs, message):
    """The line end before a boundary"""
    return isinstance(ours, bytes) and ours.isdigit() and int(theirs) - int(ours) in (1, 2) and \
        re.search(rb'(--[^\r\n]*--|\r\n)\r\n--', message) is not None


@rule('SECTION')
def no_empty_line(ours, theirs, message):
    """A message without an empty line"""
    return b'\r\n\r\n' not in message and isinstance(ours, bytes) and ours + b'\r\n\r\n' in (theirs, theirs + b'\r\n')
