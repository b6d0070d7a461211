"""Two virtual machines beside each other, as an EC2 instance and its enclave are: the parent (context id 3)
runs ephemeralml-host, the enclave (4) boots an enclave image; its security module is nsm_device."""
import socket

import machine
from image import COMMAND_LINE, KERNEL, RAMDISK

PARENT, ENCLAVE = 3, 4
PARENT_MODULES = ("vmw_vsock_virtio_transport", "virtio_net")
TRIES, BOOT_SECONDS = 3, 180
# Seen: on a busy machine the emulated timer is late, and the kernel takes it for a broken one.
CONSOLE = "console=ttyS0 panic=-1 reboot=t no_timer_check quiet"
HOST = ("/ephemeralml-host", "--listen", "tcp://10.0.2.15:8081", "--listen", "vsock://any:8081",
        "--enclave", f"vsock://{ENCLAVE}:8082", "--state", "/state", "--disk-kept", "0",
        "--metrics-port", "9090", "--enclave-counters", f"vsock://{ENCLAVE}:8083")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class World:
    """Both machines and their devices. Everything that it started ends with it."""

    def __init__(self, tools, programs, folder, parent_disk):
        self.tools, self.programs, self.folder, self.parent_disk = tools, programs, folder, parent_disk
        self.started, self.of_enclave = [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def boot(self, image, registers, expect):
        """Boots both machines until the enclave says `expect`."""
        self.retry("parent", self.boot_parent, self.stop)
        self.reboot_enclave(image, registers, expect)

    def reboot_enclave(self, image, registers, expect):
        """Boots another enclave beside the same parent. Registers: what its security module holds; None:
        it has no module."""
        self.retry("enclave", lambda: self.boot_enclave(image, registers, expect), self.stop_enclave)

    def retry(self, name, boot, stop):
        """A machine that hangs is tried again."""
        for attempt in range(1, TRIES + 1):
            try:
                stop()
                return boot()
            except machine.Failure as failure:
                print(f"boot {attempt} of {TRIES}: {failure}", flush=True)
                self.print_logs()
        raise machine.Failure(f"the {name} didn't boot")

    def boot_parent(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        for context in (PARENT, ENCLAVE):
            self.vsock(context).unlink(missing_ok=True)
        switch = self.start("vsock_switch", [self.programs / "vsock_switch", *(
            f"{context}={self.vsock(context)}" for context in (PARENT, ENCLAVE))])
        for context in (PARENT, ENCLAVE):
            machine.wait_for_socket(self.vsock(context), switch)
        self.port, self.metrics_port = free_port(), free_port()
        _, kernel, _ = self.tools.kernel()
        network = "user,id=net,restrict=on" + "".join(
            f",hostfwd=tcp:127.0.0.1:{ours}-10.0.2.15:{theirs}"
            for ours, theirs in ((self.port, 8081), (self.metrics_port, 9090)))
        self.parent = self.start("parent", machine.qemu(
            self.tools, 768, kernel, self.parent_disk, f"{CONSOLE} -- {' '.join(HOST)}",
            [*self.vsock_device(PARENT), "-netdev", network, "-device", "virtio-net-pci,netdev=net,romfile="]))
        self.parent.wait_for("PARENT ready", BOOT_SECONDS)

    def boot_enclave(self, image, registers, expect):
        self.conduct("honest")
        devices = self.vsock_device(ENCLAVE)
        if registers is not None:
            devices += self.start_module(registers)
        parts = {"kernel": image.parts(KERNEL)[0], "ramdisk": b"".join(image.parts(RAMDISK))}
        for name, data in parts.items():
            (self.folder / f"enclave.{name}").write_bytes(data)
        line, = image.parts(COMMAND_LINE)
        self.enclave = self.start("enclave", machine.qemu(
            self.tools, 1536, self.folder / "enclave.kernel", self.folder / "enclave.ramdisk",
            line.decode(), devices), self.of_enclave)
        self.enclave.wait_for(expect, BOOT_SECONDS)

    def start_module(self, registers):
        path = self.folder / "nsm.sock"
        path.unlink(missing_ok=True)
        module = self.start("nsm_device", [
            self.programs / "nsm_device", "serve", "--socket", path, "--root", self.programs / "root",
            "--conduct", self.folder / "conduct",
            *(f"--pcr={index}={value}" for index, value in enumerate(registers))], self.of_enclave)
        machine.wait_for_socket(path, module)
        return ["-chardev", f"socket,id=nsm,path={path}",
                "-device", f"{self.tools.generic_device()},virtio-id=33,num_vqs=1,chardev=nsm"]

    def vsock(self, context):
        return self.folder / f"vhost{context}.sock"

    def vsock_device(self, context):
        return ["-chardev", f"socket,id=vsock,path={self.vsock(context)}",
                "-device", "vhost-user-vsock-pci,chardev=vsock"]

    def start(self, name, command, group=None):
        process = machine.Process(name, command, self.folder / f"{name}.log", self.tools.environment())
        self.started.append(process)
        if group is not None:
            group.append(process)
        return process

    def conduct(self, word):
        """What the security module's documents are like from now on."""
        (self.folder / "conduct").write_text(word)

    def print_logs(self):
        for process in self.started:
            print(f"--- {process.name}\n{process.text()[-6000:]}", flush=True)

    def stop_enclave(self):
        for process in reversed(self.of_enclave):
            process.stop()
            self.started.remove(process)
        self.of_enclave.clear()

    def stop(self):
        self.stop_enclave()
        for process in reversed(self.started):
            process.stop()
        self.started.clear()
