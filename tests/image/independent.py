"""Enclave images, ramdisks and signatures, read from the formats' descriptions with the standard library
alone. Sources: aws-nitro-enclaves-image-format, README.md, "Enclave Image File (EIF) Specification";
Linux, initramfs buffer format; RFC 8949 (CBOR); RFC 9052 (COSE)."""
import hashlib
import pathlib
import stat
import struct
import subprocess
import zlib

HEADER = struct.Struct(">4s2H2Q2H32Q32Q2I")
SECTION = struct.Struct(">2HQ")
KERNEL, LINE, RAMDISK, SIGNATURE, METADATA = 1, 2, 3, 4, 5


def read_image(data):
    """The sections as (type, data), after demanding all that the format demands."""
    fields = HEADER.unpack_from(data)
    magic, version, flags, memory, processors, reserved, count = fields[:7]
    offsets, sizes, (unused, checksum) = fields[7:39], fields[39:71], fields[71:]
    assert (HEADER.size, magic, version, flags) == (548, b".eif", 4, 0)
    assert (memory, processors, reserved, unused) == (1 << 30, 2, 0, 0)
    assert checksum == zlib.crc32(data[548:], zlib.crc32(data[:544]))
    assert not any(offsets[count:]) and not any(sizes[count:])
    sections, end = [], 548
    for offset, size in zip(offsets[:count], sizes):
        kind, section_flags, length = SECTION.unpack_from(data, offset)
        assert (offset, section_flags, length) == (end, 0, size)
        sections.append((kind, data[offset + 12:offset + 12 + size]))
        end += 12 + size
    assert end == len(data)
    return sections


def measure(*contents):
    return hashlib.sha384(bytes(48) + hashlib.sha384(b"".join(contents)).digest()).hexdigest()


def measurements(sections):
    by_kind = {kind: [data for other, data in sections if other == kind] for kind in range(1, 6)}
    boot = by_kind[KERNEL] + by_kind[LINE]
    disks = by_kind[RAMDISK]
    return {"PCR0": measure(*boot, *disks), "PCR1": measure(*boot, disks[0]), "PCR2": measure(*disks[1:])}


def read_archive(data):
    """A ramdisk's entries as {path: (mode, data)}, in the archive's order."""
    entries, place = {}, 0
    while True:
        assert data[place:place + 6] == b"070701"
        field = [int(data[place + 6 + 8 * i:place + 14 + 8 * i], 16) for i in range(13)]
        _, mode, owner, group, _, time, size, _, _, _, _, name_size, check = field
        assert (owner, group, time, check) == (0, 0, 0, 0)
        name = data[place + 110:place + 110 + name_size - 1].decode()
        start = (place + 110 + name_size + 3) // 4 * 4
        place = (start + size + 3) // 4 * 4
        if name == "TRAILER!!!":
            assert not any(data[place:]) and len(data) % 512 == 0
            return entries
        assert name not in entries
        parent = name.rpartition("/")[0]
        assert not parent or stat.S_ISDIR(entries[parent][0])
        entries[name] = (mode, data[start:start + size])


def read_cbor(data, place=0):
    """One item and the place behind it; maps as dictionaries. Of what the signature section needs."""
    major, short = data[place] >> 5, data[place] & 31
    place += 1
    number = short
    if short >= 24:
        width = {24: 1, 25: 2, 26: 4, 27: 8}[short]
        number = int.from_bytes(data[place:place + width], "big")
        place += width
    if major == 0:
        return number, place
    if major in (2, 3):
        text = data[place:place + number]
        return text if major == 2 else text.decode(), place + number
    items = []
    for _ in range(number * (2 if major == 5 else 1)):
        item, place = read_cbor(data, place)
        items.append(item)
    assert major in (4, 5)
    return (items if major == 4 else dict(zip(items[::2], items[1::2]))), place


def byte_string(data):
    return b"\x58" + bytes([len(data)]) + data if 24 <= len(data) < 256 else \
        (b"\x59" + len(data).to_bytes(2, "big") + data if len(data) >= 256 else bytes([0x40 + len(data)]) + data)


def check_signature(section, pcr0, folder):
    """Demands that a section signs PCR0; returns the certificate in DER. OpenSSL's program verifies."""
    (fields,), end = read_cbor(section)
    assert end == len(section) and list(fields) == ["signing_certificate", "signature"]
    folder = pathlib.Path(folder)
    (folder / "in_image.pem").write_bytes(bytes(fields["signing_certificate"]))
    (protected, unprotected, payload, signature), end = read_cbor(bytes(fields["signature"]))
    assert (protected, unprotected, len(signature)) == (bytes.fromhex("a1013822"), {}, 96)
    register, end = read_cbor(payload)
    assert register == {"register_index": 0, "register_value": list(bytes.fromhex(pcr0))}

    def integer(raw):
        raw = raw.lstrip(b"\0") or b"\0"
        raw = b"\0" + raw if raw[0] & 0x80 else raw
        return b"\x02" + bytes([len(raw)]) + raw
    body = integer(signature[:48]) + integer(signature[48:])
    (folder / "signature").write_bytes(b"\x30" + bytes([len(body)]) + body)
    (folder / "signed").write_bytes(b"\x84\x6aSignature1" + byte_string(protected) + b"\x40" + byte_string(payload))
    run = lambda *words: subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True).stdout
    (folder / "public.pem").write_bytes(run("x509", "-in", "in_image.pem", "-noout", "-pubkey"))
    assert b"Verified OK" in run("dgst", "-sha384", "-verify", "public.pem", "-signature", "signature", "signed")
    return run("x509", "-in", "in_image.pem", "-outform", "DER")
