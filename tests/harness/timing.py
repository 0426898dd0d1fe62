"""What depends on how fast the machine is. `make test` must not: there such a test is left out (mark `timed`: it has nothing else to
say), or does all but judge the time. `make check-all`, and who sets POSTHORN_TEST_TIMES=1, has a machine that is quick enough."""

import os

COUNTS = os.environ.get('POSTHORN_TEST_TIMES', '') not in ('', '0')


def judge(ok, what=''):
    """Like assert, where time counts."""
    assert ok or not COUNTS, what
