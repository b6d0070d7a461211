#!/usr/bin/env python3
"""Builds images of small parts and reads them with independent.py: every byte, measurement, file and
signature. usage: golden_test.py EPHEMERALML_EIF EPHEMERALML_INIT"""
import json
import os
import pathlib
import re
import stat
import subprocess
import sys
import tempfile
import tomllib
import unittest

import independent

TOOL, INIT = (pathlib.Path(path) for path in sys.argv[1:3])
KERNEL = b"not a kernel that boots" * 100
LINE = "quiet"
ARGUMENTS = ["--listen", "vsock://any:8082", "--log", "a b"]


class Images(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "kernel").write_bytes(KERNEL)

    def run_tool(self, *words, status=0):
        done = subprocess.run([TOOL, *words], cwd=self.folder, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def build(self, *options, out="image.eif", program=TOOL, status=0, arguments=ARGUMENTS):
        # The tool itself stands for the enclave: a program of ours with libraries.
        done = self.run_tool("build", "--kernel", "kernel", "--command-line", LINE, "--init", INIT,
                             "--program", program, "--out", out, "--json", *options, "--", *arguments,
                             status=status)
        return done if status else (json.loads(done.stdout), (self.folder / out).read_bytes())

    def make_key(self, name):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1",
                        "-nodes", "-sha384", "-days", "1", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                        "-out", f"{name}.pem"], cwd=self.folder, check=True, capture_output=True)
        return ["--signing-certificate", f"{name}.pem", "--signing-key", f"{name}.key"]

    def test_every_section_and_measurement_is_as_the_format_says(self):
        told, data = self.build()
        sections = independent.read_image(data)
        self.assertEqual([kind for kind, _ in sections], [1, 2, 5, 3, 3])
        self.assertEqual(sections[0][1], KERNEL)
        self.assertEqual(sections[1][1].decode(), LINE + " init_on_alloc=1 init_on_free=1")
        self.assertEqual(told["measurements"], independent.measurements(sections))
        self.assertIsNone(told["signature"])
        metadata = json.loads(sections[2][1])
        self.assertEqual(set(metadata), {"ImageName", "ImageVersion", "BuildMetadata", "DockerInfo",
                                         "CustomMetadata"})
        self.assertEqual(set(metadata["BuildMetadata"]), {"BuildTime", "BuildTool", "BuildToolVersion",
                                                          "OperatingSystem", "KernelVersion"})

    def test_the_ramdisks_hold_what_is_needed_and_nothing_else(self):
        _, data = self.build()
        boot, application = (independent.read_archive(disk) for kind, disk in
                             independent.read_image(data) if kind == independent.RAMDISK)
        self.assertEqual(list(boot), ["boot", "boot/modules", "dev", "dev/console", "init", "proc", "sys"])
        self.assertEqual(boot["init"], (0o100755, INIT.read_bytes()))
        self.assertEqual(boot["boot/modules"], (0o100644, b""))
        self.assertEqual(boot["dev/console"][0], 0o020600)
        files = {path: data for path, (mode, data) in application.items() if stat.S_ISREG(mode)}
        command = "".join(f"{word}\n" for word in ["/bin/ephemeralml-enclave", *ARGUMENTS])
        self.assertEqual(files.pop("boot/command").decode(), command)
        self.assertEqual(files.pop("bin/ephemeralml-enclave"), TOOL.read_bytes())
        # The loader's own word for what it would load; the kernel's page of code is no file.
        loaded = subprocess.run(["ldd", TOOL], capture_output=True, text=True, check=True).stdout
        wanted = {pathlib.Path(path).name: pathlib.Path(path).read_bytes()
                  for path in re.findall(r"(/\S+) \(0x", loaded)}
        self.assertEqual({pathlib.Path(path).name: data for path, data in files.items()}, wanted)

    def test_the_same_parts_make_the_same_image_elsewhere_and_later(self):
        _, first = self.build()
        other = self.folder / "other"
        other.mkdir()
        for path, copy in ((TOOL, "program"), (INIT, "init"), (self.folder / "kernel", "kernel")):
            (other / copy).write_bytes(path.read_bytes())
            os.utime(other / copy, (0, 0))
            (other / copy).chmod(0o600)
        subprocess.run([TOOL, "build", "--kernel", "kernel", "--command-line", LINE, "--init", "init",
                        "--program", "program", "--out", "image.eif", "--", *ARGUMENTS], cwd=other,
                       check=True, capture_output=True, umask=0o077,
                       env={"TZ": "Asia/Kolkata", "USER": "someone", "LC_ALL": "C"})
        self.assertEqual((other / "image.eif").read_bytes(), first)

    def test_whatever_is_measured_changes_the_measurements_it_belongs_to(self):
        before, _ = self.build()
        for options, arguments, changed in (
                (["--command-line", "loud"], ARGUMENTS, ("PCR0", "PCR1")),
                ([], [*ARGUMENTS, "more"], ("PCR0", "PCR2")),
                (["--name", "other"], ARGUMENTS, ())):
            if options[:1] == ["--command-line"]:
                words = ["build", "--kernel", "kernel", "--init", INIT, "--program", TOOL, "--out", "b.eif",
                         "--json", *options, "--", *arguments]
                after = json.loads(self.run_tool(*words).stdout)
            else:
                after, _ = self.build(*options, arguments=arguments)
            for pcr in ("PCR0", "PCR1", "PCR2"):
                differs = after["measurements"][pcr] != before["measurements"][pcr]
                self.assertEqual(differs, pcr in changed, (options, pcr))

    def test_a_signature_is_nitros_own(self):
        told, data = self.build(*self.make_key("maker"))
        sections = independent.read_image(data)
        self.assertEqual([kind for kind, _ in sections], [1, 2, 5, 3, 3, 4])
        pcrs = independent.measurements(sections)
        certificate = independent.check_signature(sections[-1][1], pcrs["PCR0"], self.folder)
        pcrs["PCR8"] = independent.measure(certificate)
        self.assertEqual(told["measurements"], pcrs)
        self.assertTrue(told["signature"]["valid"])

    def test_a_key_that_is_not_the_certificates_signs_nothing(self):
        maker, other = self.make_key("maker"), self.make_key("other")
        done = self.build(*maker[:2], *other[2:], status=2)
        self.assertIn("[certificate_key_mismatch]", done.stderr)
        self.assertFalse((self.folder / "image.eif").exists())

    def test_a_signature_of_another_image_is_refused(self):
        _, signed = self.build(*self.make_key("maker"))
        sections = independent.read_image(signed)
        kernel = signed.index(KERNEL)
        altered = bytearray(signed)
        altered[kernel] ^= 1
        checksum = independent.zlib.crc32(altered[548:], independent.zlib.crc32(altered[:544]))
        altered[544:548] = checksum.to_bytes(4, "big")
        (self.folder / "altered.eif").write_bytes(altered)
        done = self.run_tool("describe", "altered.eif", "--json", status=5)
        self.assertIn("[image_signature_other_image]", done.stderr)
        self.assertEqual(json.loads(done.stdout)["signature"]["reason"], "image_signature_other_image")
        self.assertEqual(len(sections), 6)

    def test_one_altered_byte_is_noticed(self):
        _, data = self.build()
        altered = bytearray(data)
        altered[len(altered) // 2] ^= 1
        (self.folder / "altered.eif").write_bytes(altered)
        done = self.run_tool("describe", "altered.eif", status=3)
        self.assertIn("[image_checksum_mismatch]", done.stderr)

    def test_the_policy_names_exactly_these_measurements(self):
        (self.folder / "packages").write_text("zlib1g 1:1.2.13\nlibc6 2.36-9\n")
        told, _ = self.build("--policy", "policy.toml", "--packages", "packages", "--name", "img")
        self.assertEqual(told["metadata"]["packages"], {"libc6": "2.36-9", "zlib1g": "1:1.2.13"})
        text = (self.folder / "policy.toml").read_text()
        policy = tomllib.loads(text)
        self.assertEqual(policy["measurements"], [{
            "name": f"img {told['metadata']['version']}",
            **{name.lower(): value for name, value in told["measurements"].items()}}])

    def test_describe_says_what_build_said(self):
        told, _ = self.build()
        self.assertEqual(json.loads(self.run_tool("describe", "image.eif", "--json").stdout), told)
        text = self.run_tool("describe", "image.eif").stdout
        for name, value in told["measurements"].items():
            self.assertIn(f"{name}: {value}", text)

    def test_a_kernel_is_judged_by_its_configuration(self):
        self.assertIn("wasn't judged", self.run_tool(*self.words("config-none")).stderr)
        (self.folder / "config").write_text("CONFIG_VSOCKETS=y\n")
        self.assertIn("NOT FOR REAL NITRO: the kernel lacks CONFIG_VIRTIO_MMIO,",
                      self.run_tool(*self.words("b.eif"), "--kernel-config", "config").stderr)

    def words(self, out):
        return ["build", "--kernel", "kernel", "--init", INIT, "--program", TOOL, "--out", out]


if __name__ == "__main__":
    sys.exit(unittest.main(argv=[sys.argv[0]]))
