"""Virtual machines and their devices, each a process of ours that ends with the test."""
import os
import pathlib
import subprocess
import time

QEMU = "usr/bin/qemu-system-x86_64"


class Failure(Exception):
    """What the test can't go on after."""


class Tools:
    """Programs of an extracted Debian root, run with that root's own libraries."""

    def __init__(self, root):
        self.root = pathlib.Path(root)

    def command(self, program, *arguments):
        libraries = self.root / "usr/lib/x86_64-linux-gnu"
        return [self.root / "usr/lib64/ld-linux-x86-64.so.2", "--library-path", libraries,
                self.root / program, *arguments]

    def environment(self):
        return {**os.environ, "QEMU_MODULE_DIR": str(self.root / "usr/lib/x86_64-linux-gnu/qemu")}

    def output(self, program, *arguments):
        return subprocess.run(self.command(program, *arguments), env=self.environment(), text=True,
                              capture_output=True, check=True).stdout

    def kernel(self):
        """Folder of modules, image and configuration of the one kernel."""
        image, = (self.root / "boot").glob("vmlinuz-*")
        version = image.name.partition("-")[2]
        return self.root / "usr/lib/modules" / version, image, self.root / "boot" / f"config-{version}"

    def generic_device(self):
        """QEMU's name of a virtio device that another process implements."""
        known = self.output(QEMU, "-device", "help")
        for name in ("vhost-user-test-device-pci", "vhost-user-device-pci"):
            if f'name "{name}"' in known:
                return name
        raise Failure("this QEMU has no generic vhost-user device")


class Process:
    """A program whose output goes to a file."""

    def __init__(self, name, command, log, environment=None):
        self.name, self.log = name, pathlib.Path(log)
        with self.log.open("wb") as output:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=subprocess.STDOUT, env=environment)

    def text(self):
        return self.log.read_bytes().decode(errors="replace").replace("\r", "")

    def wait_for(self, mark, seconds, after=0):
        """Waits until the output holds a text, behind its first `after` characters."""
        deadline = time.monotonic() + seconds
        while mark not in self.text()[after:]:
            if self.process.poll() is not None and mark not in self.text()[after:]:
                raise Failure(f"{self.name} ended before it said '{mark}'")
            if time.monotonic() > deadline:
                raise Failure(f"{self.name} didn't say '{mark}' within {seconds} s")
            time.sleep(0.05)

    def wait(self, seconds):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} didn't end within {seconds} s") from None

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def wait_for_socket(path, process):
    deadline = time.monotonic() + 10
    while not path.exists():
        if process.process.poll() is not None or time.monotonic() > deadline:
            raise Failure(f"{process.name} didn't make its socket")
        time.sleep(0.02)


def qemu(tools, memory_mib, kernel, initrd, line, devices):
    """The command of a machine without a disk; its first serial port is the standard output."""
    shares = [tools.root / "usr/share/qemu", tools.root / "usr/share/seabios"]
    return tools.command(
        QEMU, *(word for share in shares for word in ("-L", share)),
        "-machine", "q35,memory-backend=memory", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2",
        "-m", str(memory_mib), "-object", f"memory-backend-memfd,id=memory,size={memory_mib}M,share=on",
        "-nodefaults", "-no-user-config", "-nographic", "-serial", "stdio", "-no-reboot",
        "-kernel", kernel, "-initrd", initrd, "-append", line, *devices)
