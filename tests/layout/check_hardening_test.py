#!/usr/bin/env python3
"""Builds a small program without one hardening option after the other, and demands that
check_hardening says which is missing. CXX names the compiler."""
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import unittest

CHECK_HARDENING = pathlib.Path(__file__).resolve().parent / "check_hardening"
SOURCE = r"""
#include <cstdio>
#include <cstring>
#ifdef WRITABLE_CODE
asm(".pushsection .writable_code, \"awx\"; ret; .popsection");
#endif
namespace ephemeralml {
void Copy(char* to, const char* from, unsigned long size) {
  char text[64];
  std::memcpy(text, from, size);
  std::snprintf(to, size, text, size);
  std::puts(text);
}
}  // namespace ephemeralml
int main(int argc, char** argv) {
  char out[64];
  ephemeralml::Copy(out, argv[argc - 1], static_cast<unsigned long>(argc));
}
"""
COMPILE = ["-O2", "-fPIE", "-D_FORTIFY_SOURCE=3", "-fstack-protector-strong"]
LINK = ["-pie", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack"]
if platform.machine() == "x86_64":
    COMPILE += ["-fcf-protection=full"]
    LINK += ["-Wl,-z,ibt", "-Wl,-z,shstk"]


class CheckHardening(unittest.TestCase):
    def check(self, without=(), instead=()):
        with tempfile.TemporaryDirectory() as folder:
            binary = pathlib.Path(folder, "program")
            options = [option for option in COMPILE + LINK if option not in without]
            subprocess.run([os.environ.get("CXX", "c++"), "-w", "-x", "c++", "-", "-o", binary,
                            "-U_FORTIFY_SOURCE", *options, *instead],
                           input=SOURCE, text=True, check=True)
            done = subprocess.run([CHECK_HARDENING, binary], capture_output=True, text=True,
                                  check=False)
        return done.returncode, done.stdout

    def assert_lacks(self, words, without=(), instead=()):
        status, output = self.check(without, instead)
        self.assertEqual(status, 1, output)
        self.assertIn(words, output)

    def test_accepts_all_options_together(self):
        status, output = self.check()
        self.assertEqual(status, 0, output)

    def test_judges_static_programs_too(self):
        status, output = self.check(without=["-pie"], instead=["-static-pie"])
        self.assertEqual(status, 0, output)
        self.assert_lacks("position-independent", without=["-pie", "-fPIE"], instead=["-static", "-no-pie"])

    def test_refuses_to_check_nothing(self):
        self.assertEqual(subprocess.run([CHECK_HARDENING], capture_output=True).returncode, 1)

    def test_misses_pie(self):
        self.assert_lacks("isn't position-independent", ["-pie", "-fPIE"], ["-no-pie"])

    def test_misses_relro(self):
        self.assert_lacks("no read-only relocations", ["-Wl,-z,relro"], ["-Wl,-z,norelro"])

    def test_misses_binding_at_start(self):
        self.assert_lacks("binds symbols lazily", ["-Wl,-z,now"], ["-Wl,-z,lazy"])

    def test_misses_a_stack_without_code(self):
        self.assert_lacks("executable stack", ["-Wl,-z,noexecstack"], ["-Wl,-z,execstack"])

    def test_misses_fortified_calls(self):
        self.assert_lacks("no fortified function", ["-D_FORTIFY_SOURCE=3"])

    def test_misses_the_stack_protector(self):
        self.assert_lacks("no stack protector", ["-fstack-protector-strong"],
                          ["-fno-stack-protector"])

    def test_finds_folders_of_libraries(self):
        self.assert_lacks("folders to load libraries from", instead=["-Wl,-rpath,/nowhere"])

    def test_finds_writable_code(self):
        self.assert_lacks("code that can be written", instead=["-DWRITABLE_CODE"])

    @unittest.skipUnless(platform.machine() == "x86_64", "Intel's control-flow protection")
    def test_misses_control_flow_marks(self):
        for flag, name in (("-Wl,-z,ibt", "IBT"), ("-Wl,-z,shstk", "SHSTK")):
            self.assert_lacks(f"isn't marked for {name}", ["-fcf-protection=full", flag],
                              ["-fcf-protection=none"])

    @unittest.skipUnless(platform.machine() == "x86_64", "Intel's control-flow protection")
    def test_misses_marked_code_under_a_linkers_promise(self):
        self.assert_lacks("functions without endbr64", ["-fcf-protection=full"],
                          ["-fcf-protection=none"])


if __name__ == "__main__":
    sys.exit(unittest.main())
