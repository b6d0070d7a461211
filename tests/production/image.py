"""What machines boot from: the parts of an enclave image, initial file systems, kernel modules.

The reading of images stands on the format's description alone and shares no line with the program that
writes them: what both agree on is right.
Source: aws-nitro-enclaves-image-format, README.md, "Enclave Image File (EIF) Specification".
"""
import collections
import hashlib
import lzma
import pathlib
import re
import struct
import subprocess
import zlib

HEADER = struct.Struct(">4sHHQQHH32Q32QII")
SECTION = struct.Struct(">HHQ")
KERNEL, COMMAND_LINE, RAMDISK = 1, 2, 3


Module = collections.namedtuple("Module", "name path data")


class Image:
    """An enclave image file, read strictly."""

    def __init__(self, path):
        data = pathlib.Path(path).read_bytes()
        header = HEADER.unpack_from(data)
        magic, version, count, offsets = header[0], header[1], header[6], header[7:39]
        if (magic, version) != (b".eif", 4):
            raise ValueError("no enclave image of version 4")
        if zlib.crc32(data[HEADER.size:], zlib.crc32(data[:HEADER.size - 4])) != header[-1]:
            raise ValueError("the image's checksum is wrong")
        self.sections = []
        for offset, size in zip(offsets[:count], header[39:39 + count]):
            kind, _, length = SECTION.unpack_from(data, offset)
            if length != size:
                raise ValueError("a section's length differs from the header's")
            start = offset + SECTION.size
            self.sections.append((kind, data[start:start + length]))

    def parts(self, kind):
        return [data for section, data in self.sections if section == kind]

    def measurements(self):
        """PCR0, 1 and 2 in hex, as the hypervisor measures them."""
        kernel, line = self.parts(KERNEL), self.parts(COMMAND_LINE)
        disks = self.parts(RAMDISK)
        return [extend(kernel + line + disks), extend(kernel + line + disks[:1]), extend(disks[1:])]


def extend(parts):
    """A register that was zero, after one measurement."""
    return hashlib.sha384(bytes(48) + hashlib.sha384(b"".join(parts)).digest()).hexdigest()


class FileSystem:
    """An initial file system in the kernel's format (cpio, newc). Source: Linux, initramfs buffer format."""

    def __init__(self):
        self.entries, self.folders = [], set()

    def _entry(self, name, mode, data=b"", device=(0, 0)):
        path = name.encode() + b"\0"
        fields = (len(self.entries) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
        entry = b"070701" + b"".join(b"%08X" % field for field in fields) + path
        entry += bytes(-len(entry) % 4) + data
        self.entries.append(entry + bytes(-len(entry) % 4))

    def folder(self, path):
        if path and path not in self.folders:
            self.folder(path.rpartition("/")[0])
            self.folders.add(path)
            self._entry(path, 0o040755)

    def file(self, path, data, mode=0o644):
        self.folder(path.rpartition("/")[0])
        self._entry(path, 0o100000 | mode, data)

    def program(self, path, source):
        """A program and, if it is linked dynamically, its libraries where its linker looks."""
        self.file(path, pathlib.Path(source).read_bytes(), 0o755)
        for library in libraries(source):
            self.file(library.lstrip("/"), pathlib.Path(library).read_bytes(), 0o755)

    def console(self):
        """What the kernel opens for the first program before anything is mounted."""
        self.folder("dev")
        self._entry("dev/console", 0o020600, device=(5, 1))

    def pack(self):
        self._entry("TRAILER!!!", 0)
        return b"".join(self.entries)


def libraries(program):
    """The paths of what a program loads, its dynamic linker included."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(/\S+) \(0x", told)


def load_order(kernel_folder, names):
    """Modules, unpacked: each after those that it depends on."""
    found = {path.name.partition(".")[0].replace("-", "_"): path
             for path in pathlib.Path(kernel_folder).rglob("*.ko*")}
    ordered = {}

    def load(name):
        if name in ordered or name not in found:  # what isn't there is built in
            return
        data = found[name].read_bytes()
        if found[name].suffix == ".xz":
            data = lzma.decompress(data)
        depends = re.search(rb"\0depends=([^\0]*)\0", data)
        for other in depends[1].decode().split(",") if depends else []:
            load(other)
        ordered[name] = Module(name, found[name], data)

    for name in names:
        load(name)
    return list(ordered.values())
