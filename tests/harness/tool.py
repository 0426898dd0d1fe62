"""The admin tool, on a server of the test's own."""

import json
import os
import subprocess


class Tool:
    def __init__(self, server):
        self.server = server

    def command(self, *args):
        return [self.server.program, '-c', os.path.join(self.server.store, 'posthornd.conf'), *map(str, args)]

    def __call__(self, *args, fails=False, **more):
        """What it says; of a command that must fail, all that it says. input=... is its input."""
        r = subprocess.run(self.command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                           **more or {'stdin': subprocess.DEVNULL})
        assert (r.returncode != 0) == fails, (args, r.stdout, r.stderr)
        return r.stderr + r.stdout if fails else r.stdout

    def json(self, *args, **more):
        return [json.loads(line) for line in self('--json', *args, **more).splitlines()]

    def bytes(self, *args, **more):
        r = subprocess.run(self.command(*args), stdout=subprocess.PIPE, timeout=120, **more)
        assert r.returncode == 0
        return r.stdout
