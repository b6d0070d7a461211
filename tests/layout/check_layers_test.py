#!/usr/bin/env python3
"""Plants one breach of each rule in a small tree and demands that scripts/check-layers names it."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECK_LAYERS = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "check-layers"

TREE = {
    "common/base/CMakeLists.txt": "add_module(common/base HEADERS a.h SOURCES a.cpp)",
    "common/base/a.h": "#include <string>\n",
    "common/base/a.cpp": '#include "common/base/a.h"\n#include "common/base/private.h"\n',
    "common/base/private.h": "",
    "common/crypto/CMakeLists.txt": "add_module(common/crypto HEADERS c.h USES common/base)",
    "common/crypto/c.h": '#include "common/base/a.h"\n',
    "common/crypto/testing/CMakeLists.txt": "add_module(common/crypto/testing HEADERS fake.h)",
    "common/crypto/testing/fake.h": "",
    "host/store/CMakeLists.txt": "add_module(host/store HEADERS s.h USES common/base TESTS s_test.cpp)",
    "host/store/s.h": '#include "common/base/a.h"\n',
    "host/CMakeLists.txt": "add_program(host SOURCES main.cpp USES host/store)",
    "host/main.cpp": '#include "host/store/s.h"\n',
    "enclave/open/CMakeLists.txt": "add_module(enclave/open HEADERS o.h USES common/crypto)",
    "enclave/open/o.h": '#include "common/crypto/c.h"\n',
}


class CheckLayers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for path, text in TREE.items():
            self.write(path, text)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def check(self):
        done = subprocess.run([CHECK_LAYERS, self.root], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    def assert_breach(self, words):
        status, output = self.check()
        self.assertEqual(status, 1, output)
        self.assertIn(words, output)
        self.assertIn(" 1 problems", output)

    def test_accepts_a_tree_that_keeps_the_rules(self):
        status, output = self.check()
        self.assertEqual(status, 0, output)

    def test_refuses_an_empty_tree(self):
        with tempfile.TemporaryDirectory() as empty:
            self.root = pathlib.Path(empty)
            self.assertEqual(self.check()[0], 1)

    def test_refuses_an_include_of_a_module_not_in_uses(self):
        self.write("enclave/open/o.h", '#include "common/base/a.h"\n')
        self.assert_breach("enclave/open doesn't list common/base in USES")

    def test_refuses_it_in_angle_brackets_and_with_spaces_too(self):
        self.write("enclave/open/o.h", "#  include <common/base/a.h>\n")
        self.assert_breach("common/base/a.h, which isn't in the tree, or not with quotes")

    def test_refuses_an_include_of_another_zone(self):
        self.write("enclave/open/o.h", '#include "host/store/s.h"\n')
        self.assert_breach("enclave may not include host/store/s.h")

    def test_refuses_uses_of_another_zone(self):
        self.write("enclave/open/CMakeLists.txt",
                   "add_module(enclave/open HEADERS o.h USES common/crypto host/store)")
        self.assert_breach("USES host/store, another zone")

    def test_refuses_uses_of_a_module_that_isnt_there(self):
        self.write("host/store/CMakeLists.txt",
                   "add_module(host/store HEADERS s.h USES common/base common/gone)")
        self.assert_breach("USES common/gone, which no folder declares")

    def test_refuses_a_host_that_reaches_the_cipher(self):
        self.write("common/base/CMakeLists.txt",
                   "add_module(common/base HEADERS a.h SOURCES a.cpp)\n"
                   "add_module(common/logs HEADERS l.h USES common/crypto)")
        self.write("host/CMakeLists.txt", "add_program(host SOURCES main.cpp USES host/store common/logs)")
        self.assert_breach("host: reaches common/crypto")

    def test_refuses_a_program_that_includes_what_it_doesnt_list(self):
        self.write("host/main.cpp", '#include "common/base/a.h"\n')
        self.assert_breach("doesn't list common/base in USES")

    def test_refuses_another_modules_private_header(self):
        self.write("common/crypto/c.h", '#include "common/base/private.h"\n')
        self.assert_breach("common/base/private.h isn't among the HEADERS of common/base")

    def test_refuses_a_test_double_in_what_ships(self):
        self.write("common/crypto/CMakeLists.txt",
                   "add_module(common/crypto HEADERS c.h USES common/base common/crypto/testing)")
        self.write("common/crypto/c.h", '#include "common/crypto/testing/fake.h"\n')
        self.assert_breach("what ships may not include common/crypto/testing/fake.h")

    def test_refuses_a_third_partys_types_in_a_public_header(self):
        self.write("common/base/a.h", "#include <openssl/evp.h>\n")
        self.assert_breach("shows openssl/evp.h to its users")

    def test_refuses_a_file_of_no_module(self):
        self.write("host/stray.cpp", "")
        self.assert_breach("host/stray.cpp: belongs to no module and no program")

    def test_refuses_a_header_that_isnt_there(self):
        self.write("host/main.cpp", '#include "host/store/gone.h"\n')
        self.assert_breach("host/store/gone.h, which isn't in the tree")


if __name__ == "__main__":
    sys.exit(unittest.main())
