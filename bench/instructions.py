#!/usr/bin/python3
"""Instructions that parsers and page operations take, counted by callgrind: the same each time for one compiler
and C library, so a slower change is seen at once.

    instructions.py [--build DIR] [--write]

Compares with bench/instructions.txt and fails when a case takes more than a twentieth more (`make check-all` runs it); --write
writes it, after a change that was meant to cost something, or to save.
"""
import argparse
import pathlib
import re
import subprocess
import sys

FEW, MANY = 20, 220
FILE = pathlib.Path(__file__).with_name("instructions.txt")


def collected(micro, case, n):
    r = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", micro, case, str(n)], capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", r.stderr)
    if r.returncode != 0 or not found:
        sys.exit(r.stderr)
    return int(found.group(1))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--build", default="build")
    a.add_argument("--write", action="store_true")
    opt = a.parse_args()
    micro = f"{opt.build}/bench/micro"
    known = dict(line.split() for line in FILE.read_text().splitlines()) if FILE.exists() else {}
    lines, slower = [], []
    for case in subprocess.run([micro], capture_output=True, text=True, check=True).stdout.split():
        count = (collected(micro, case, MANY) - collected(micro, case, FEW)) // (MANY - FEW)
        before = int(known.get(case, count))
        print(f"{case:15} {count:8,} {(count / before - 1) * 100:+6.1f} %")
        lines.append(f"{case} {count}")
        if count > before * 1.05:
            slower.append(case)
    if opt.write:
        FILE.write_text("\n".join(lines) + "\n")
    elif slower:
        sys.exit("slower: " + ", ".join(slower))


if __name__ == "__main__":
    main()
