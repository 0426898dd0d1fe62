#!/usr/bin/python3
"""Instructions that parsers and page operations take, and the commands that a client says all day, counted by callgrind: the
same each time for one compiler and C library, so a slower change is seen at once, and what a feature costs who does not use it.

    instructions.py [--build DIR] [--write]

Compares with bench/instructions.txt and fails when a case takes more than a twentieth (and ten) more (`make check-all` runs it); --write
writes it, after a change that was meant to cost something, or to save.
"""
import argparse
import pathlib
import re
import subprocess
import sys

FEW, MANY = 20, 220
STEPS = 6
FILE = pathlib.Path(__file__).with_name("instructions.txt")


def counted(program, case, n, *options):
    r = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *options, program, case, str(n)],
        capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", r.stderr)
    if r.returncode != 0 or not found:
        sys.exit(r.stderr)
    return int(found.group(1))


def of_micro(program, case):
    """What a start costs does not count."""
    return (counted(program, case, MANY) - counted(program, case, FEW)) // (MANY - FEW)


def of_steps(program, case):
    return counted(program, case, STEPS, "--toggle-collect=do_measured_rounds*") // STEPS


def all_cases(build):
    for name, of in ("micro", of_micro), ("steps", of_steps):
        program = f"{build}/bench/{name}"
        for case in subprocess.run([program], capture_output=True, text=True, check=True).stdout.split():
            yield case, of(program, case)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--build", default="build")
    a.add_argument("--write", action="store_true")
    opt = a.parse_args()
    known = dict(line.split() for line in FILE.read_text().splitlines()) if FILE.exists() else {}
    lines, slower = [], []
    for case, count in all_cases(opt.build):
        before = int(known.get(case, count))
        print(f"{case:15} {count:8,} {(count / before - 1) * 100:+6.1f} %")
        lines.append(f"{case} {count}")
        if count > before * 1.05 + 10:
            slower.append(case)
    if opt.write:
        FILE.write_text("\n".join(lines) + "\n")
    elif slower:
        sys.exit("slower: " + ", ".join(slower))


if __name__ == "__main__":
    main()
