#!/usr/bin/env python3
"""Makes a root directory that looks like the procfs and sysfs of a machine, for LLEM_SYSFS_ROOT.

    make_sysfs.py ROOT [--packages 2] [--dies 2] [--no-dram] [--cores] [--psys] [--mmio] [--range-uj N] [--start-uj N]
                  [--deny] [--perf] [--vendor intel|amd] [--proc link|fake|none] [--cgroup 1|2 --memory-limit BYTES]
    make_sysfs.py ROOT … --live --power-w 80 [--dram-w 8] [--step-s 0.001] [--for-s 600]

`--live` makes the tree, then advances every energy_uj in real time at the given power until it is killed, its
parent ends, or the time is over. It prints "ready" when the first values stand. A counter's value is
start + power × (CLOCK_MONOTONIC since the first write), so a test can say the energy between two moments; the moment of
the first write is in ROOT/origin_ns.
"""

import argparse
import math
import os
import sys
import time
from pathlib import Path

POWERCAP = "sys/class/powercap"
FULL_RANGE_UJ = 262143328850


class Zone:
    """One RAPL zone: its directory's name, its name file and what share of the machine's power it shows."""

    def __init__(self, directory, name, kind):
        self.directory = directory
        self.name = name
        self.kind = kind


def zones_of(options):
    zones = []
    index = 0
    for package in range(options.packages):
        for die in range(options.dies):
            name = f"package-{package}" + (f"-die-{die}" if options.dies > 1 else "")
            top = f"intel-rapl:{index}"
            zones.append(Zone(top, name, "package"))
            children = (["core", "uncore"] if options.cores else []) + ([] if options.no_dram else ["dram"])
            for number, child in enumerate(children):
                zones.append(Zone(f"{top}:{number}", child, child))
            if options.mmio:
                zones.append(Zone(f"intel-rapl-mmio:{index}", name, "package"))
            index += 1
    if options.psys:
        zones.append(Zone(f"intel-rapl:{index}", "psys", "psys"))
    return zones


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def make_powercap(root, options):
    for zone in zones_of(options):
        directory = root / POWERCAP / zone.directory
        write(directory / "name", zone.name + "\n")
        write(directory / "energy_uj", f"{options.start_uj}\n")
        write(directory / "max_energy_range_uj", f"{options.range_uj}\n")
        if options.deny:
            os.chmod(directory / "energy_uj", 0)


def make_perf(root, options):
    unit = root / "sys/bus/event_source/devices/power"
    cpus = [package * 8 for package in range(options.packages)]
    write(unit / "type", "23\n")
    write(unit / "cpumask", ",".join(map(str, cpus)) + "\n")
    for name, code in (("energy-pkg", 2), ("energy-ram", 3), ("energy-psys", 5)):
        write(unit / "events" / name, f"event=0x{code:02x}\n")
        write(unit / "events" / f"{name}.scale", "2.3283064365386962890625e-10\n")
        write(unit / "events" / f"{name}.unit", "Joules\n")
    for package, cpu in enumerate(cpus):
        write(root / f"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id", f"{package}\n")
        write(root / f"sys/devices/system/cpu/cpu{cpu}/topology/die_id", "0\n")


def make_proc(root, options):
    proc = root / "proc"
    if options.proc == "link":
        if not proc.is_symlink():
            proc.symlink_to("/proc")
        return
    vendor = "AuthenticAMD" if options.vendor == "amd" else "GenuineIntel"
    model = "AMD EPYC 9654 96-Core Processor" if options.vendor == "amd" else "Intel(R) Xeon(R) Platinum 8480+"
    write(proc / "cpuinfo", f"processor\t: 0\nvendor_id\t: {vendor}\nmodel name\t: {model}\n\n")
    write(proc / "stat", "cpu  1000 200 300 90000 50 6 7 80 400 0\ncpu0 1000 200 300 90000 50 6 7 80 400 0\n")
    write(proc / "meminfo", "MemTotal:       16000000 kB\nMemFree:         2000000 kB\nMemAvailable:   12000000 kB\n")


def make_cgroup(root, options):
    if options.cgroup == 2:
        write(root / "proc/self/cgroup", "0::/job/step\n")
        group = root / "sys/fs/cgroup/job"
        write(group / "step/memory.max", "max\n")
        write(group / "memory.max", f"{options.memory_limit}\n")
        write(group / "memory.current", "3000000000\n")
        write(group / "memory.stat", "anon 1000000000\nfile 2000000000\ninactive_file 500000000\n")
    elif options.cgroup == 1:
        write(root / "proc/self/cgroup", "5:cpu,cpuacct:/job\n4:memory:/job\n0::/\n")
        group = root / "sys/fs/cgroup/memory/job"
        write(group / "memory.limit_in_bytes", f"{options.memory_limit}\n")
        write(group / "memory.usage_in_bytes", "3000000000\n")
        write(group / "memory.stat", "inactive_file 1\ntotal_inactive_file 500000000\n")


def power_of(zone, options):
    share = {"package": 1.0, "core": 0.6, "uncore": 0.1, "psys": 1.5}
    return options.dram_w if zone.kind == "dram" else options.power_w * share[zone.kind]


def run_live(root, options):
    files = []
    for zone in zones_of(options):
        path = root / POWERCAP / zone.directory / "energy_uj"
        files.append((os.open(path, os.O_WRONLY), power_of(zone, options)))
    parent = os.getppid()
    origin = time.monotonic_ns()
    write(root / "origin_ns", f"{origin}\n")
    end = origin + int(options.for_s * 1e9)
    said = False
    tick = 0
    while True:
        now = time.monotonic_ns()
        if now >= end or os.getppid() != parent:
            return
        for fd, power in files:
            microjoules = options.start_uj + int((now - origin) * power * 1e-3)
            # One write; a shorter text after a wrap leaves a tail behind its newline until it is cut off.
            text = f"{microjoules % (options.range_uj + 1)}\n".encode()
            os.pwrite(fd, text, 0)
            os.ftruncate(fd, len(text))
        if not said:
            print("ready", flush=True)
            said = True
        tick = max(tick + 1, math.floor((now - origin) * 1e-9 / options.step_s) + 1)
        time.sleep(max(0.0, tick * options.step_s - (time.monotonic_ns() - origin) * 1e-9))


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--packages", type=int, default=1)
    parser.add_argument("--dies", type=int, default=1)
    parser.add_argument("--no-dram", action="store_true")
    parser.add_argument("--cores", action="store_true", help="core and uncore zones within each package")
    parser.add_argument("--psys", action="store_true")
    parser.add_argument("--mmio", action="store_true", help="the same package again over the MMIO bus")
    parser.add_argument("--range-uj", type=int, default=FULL_RANGE_UJ)
    parser.add_argument("--start-uj", type=int, default=1_000_000_000)
    parser.add_argument("--deny", action="store_true", help="energy_uj with mode 000 (which root can read all the same)")
    parser.add_argument("--no-powercap", action="store_true")
    parser.add_argument("--perf", action="store_true")
    parser.add_argument("--vendor", choices=["intel", "amd"], default="intel")
    parser.add_argument("--proc", choices=["link", "fake", "none"], default="link")
    parser.add_argument("--cgroup", type=int, choices=[1, 2])
    parser.add_argument("--memory-limit", type=int, default=8_000_000_000)
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--power-w", type=float, default=80)
    parser.add_argument("--dram-w", type=float, default=8)
    parser.add_argument("--step-s", type=float, default=0.001)
    parser.add_argument("--for-s", type=float, default=600)
    options = parser.parse_args(arguments)
    if options.cgroup and options.proc == "link":
        parser.error("--cgroup writes into proc: use --proc fake")
    return options


def main():
    options = parse(sys.argv[1:])
    root = options.root
    root.mkdir(parents=True, exist_ok=True)
    if not options.no_powercap:
        make_powercap(root, options)
    if options.perf:
        make_perf(root, options)
    if options.proc != "none":
        make_proc(root, options)
    if options.cgroup:
        make_cgroup(root, options)
    if options.live:
        run_live(root, options)


if __name__ == "__main__":
    main()
