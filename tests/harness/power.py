"""A server whose store is on a file system whose power can be cut (tests/crash/powerfs.c)."""

import asyncio
import os
import signal
import subprocess

from .server import Server

KINDS = ('all lost', 'names kept', 'by pages', 'by sectors', 'torn')


class PowerServer(Server):
    """A server whose store is on a powerfs."""

    async def mount(self):
        self.data = os.path.join(self.store, 'data', 'mail')
        os.makedirs(self.data)
        program = os.path.join(os.path.dirname(self.program), '..', '..', 'tests', 'crash', 'powerfs')
        self.fs = await asyncio.create_subprocess_exec(program, self.data, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        said = (await self.fs.stdout.readline()).decode().strip()
        if said != 'mounted':
            await self.fs.wait()
            return said or 'powerfs does not run here'
        return None

    async def tell(self, command):
        self.fs.stdin.write(command.encode() + b'\n')
        return (await self.fs.stdout.readline()).decode().split()

    async def cut(self, chance, totals):
        kind = chance.randrange(len(KINDS))
        answer = await self.tell('cut %d %d' % (kind, chance.getrandbits(60)))
        assert answer[0] == 'cut', answer
        totals[kind] = [a + b for a, b in zip(totals[kind], (1, int(answer[1]), int(answer[2])))]

    async def is_cut_while_starting(self, base, chance, totals):
        """The power goes again while it reads back what the last cut left. False: it was ready before that."""
        assert await self.tell('arm %d' % chance.randrange(1, 150)) == ['armed']
        self.base = base
        started = asyncio.get_running_loop().run_in_executor(None, self.launch)
        said = asyncio.ensure_future(self.fs.stdout.readline())
        await asyncio.wait([started, said], return_when=asyncio.FIRST_COMPLETED)
        if not said.done():
            # It serves; too late for this cut, if it does not come just now.
            self.fs.stdin.write(b'arm 0\n')
            if await said == b'armed\n':
                return False
            await self.fs.stdout.readline()
        if started.done():
            self.crash()
        else:
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)
            assert not await started
        await self.cut(chance, totals)
        return True

    async def unmount(self):
        self.fs.stdin.close()
        assert await self.fs.wait() == 0
