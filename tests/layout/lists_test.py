#!/usr/bin/env python3
"""Runs the scripts that keep lists in copies of small trees, and demands that each sees a change."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ZONES = ("client", "common", "enclave", "host")


class Lists(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name in (*ZONES, "docs", "scripts"):
            (self.root / name).mkdir()

    def write(self, path, text):
        (self.root / path).write_text(text)

    def run_script(self, script, *arguments):
        copy = self.root / "scripts" / script
        if not copy.exists():
            shutil.copy(ROOT / "scripts" / script, copy)
        done = subprocess.run([copy, *arguments], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    def test_reveals_counts_shipped_files_only(self):
        self.write("client/a.cpp", "Use(s.Reveal());\nUse(s.Reveal());\n")
        self.write("client/a_test.cpp", "s.Reveal();\n")
        self.write("host/b.h", "nothing\n")
        self.assertEqual(self.run_script("list-reveals"), (0, "client/a.cpp: 2\n"))

    def test_reveals_sees_a_new_one_and_a_lost_one(self):
        self.write("client/a.cpp", "s.Reveal();\n")
        for listed, status in (("client/a.cpp: 1\n", 0), ("", 1), ("client/a.cpp: 2\n", 1)):
            self.write("docs/reveals.txt", listed)
            self.assertEqual(self.run_script("list-reveals", "--check")[0], status, listed)

    def test_operators_sees_a_new_one_another_version_and_other_types(self):
        (self.root / "common/operators").mkdir()
        (self.root / "client/decompose/expand").mkdir(parents=True)
        expanded = '{{"", "Swish"}, 1, ExpandSwish},'
        self.write("client/decompose/expand/expand.cpp", expanded)
        self.write("common/operators/operators.h", "kNewestOpset = 21;")
        row = 'OPERATOR("", "Relu", 6, kNewestOpset, MakeRelu)\n'
        rule = '{"Relu", kSigned, 1, Gives::kAsFirst}'
        self.write("common/operators/operators.inc", row)
        self.write("client/decompose/check_types.cpp", rule)
        self.assertEqual(self.run_script("list-operators", "--check")[0], 1)
        self.assertEqual(self.run_script("list-operators")[0], 0)
        self.assertIn("| Relu | 6-21 | floats, signed integers |", (self.root / "docs/operators.md").read_text())
        self.assertIn("express it: Swish.", (self.root / "docs/operators.md").read_text())
        for path, text, status in (("common/operators/operators.inc", row, 0),
                                   ("common/operators/operators.inc", row.replace("6", "1"), 1),
                                   ("common/operators/operators.inc", row + row.replace("Relu", "Tan"), 1)):
            self.write(path, text)
            self.assertEqual(self.run_script("list-operators", "--check")[0], status, text)
        self.write("common/operators/operators.inc", row)
        self.write("client/decompose/expand/expand.cpp", expanded.replace("Swish", "Mish"))
        self.assertEqual(self.run_script("list-operators", "--check")[0], 1)
        self.write("client/decompose/expand/expand.cpp", expanded)
        self.write("client/decompose/check_types.cpp", rule.replace("kSigned", "kFloats"))
        self.assertEqual(self.run_script("list-operators", "--check")[0], 1)

    def reasons(self, source, *rows):
        self.write("common/a.cpp", source)
        self.write("docs/errors.md", "".join(f"| `{name}` | {codes} | x |\n" for name, codes in rows))
        return self.run_script("list-reasons", "--check")

    def test_reasons_accepts_what_is_documented(self):
        status, output = self.reasons('return Error{Code::kIo, "disk_gone", "a, b"};',
                                      ("disk_gone", "`kIo`"))
        self.assertEqual(status, 0, output)

    def test_reasons_finds_each_way_of_giving_one(self):
        for source in ('Error{Code::kIo, "new_one", "x"}', 'Error{Code::kIo,\n  "new_one", x}',
                       'Error{Code::kIo, full ? "disk_gone" : "new_one", x}',
                       'return ErrnoError("new_one", "can\'t");',
                       'Error Make(int x, std::string_view reason) {} Make(Call(1, 2), "new_one");',
                       'const auto add = [&](std::string_view reason) {}; add("new_one");',
                       'Refusal{"new_one", 404, "x"}'):
            status, output = self.reasons(source, ("disk_gone", "`kIo`"))
            self.assertEqual(status, 1, source)
            self.assertIn("new_one (common/a.cpp) isn't in docs/errors.md", output)

    def test_reasons_sees_another_code_for_a_known_one(self):
        output = self.reasons('Error{Code::kBusy, "disk_gone", x}', ("disk_gone", "`kIo`"))[1]
        self.assertIn("disk_gone also has the code kBusy", output)

    def test_reasons_sees_one_that_is_gone_and_one_that_stands_twice(self):
        output = self.reasons('Error{Code::kIo, "disk_gone", x}', ("disk_gone", "`kIo`"),
                              ("disk_gone", "`kIo`"), ("old_one", "`kIo`"))[1]
        self.assertIn("old_one is in docs/errors.md, but nothing gives it", output)
        self.assertIn("disk_gone is in docs/errors.md twice", output)

    def test_file_lengths_refuses_a_long_file_without_a_reason(self):
        script = ROOT / "tests" / "layout" / "check_file_lengths"
        for first, lines, status in (("", 400, 0), ("", 401, 1), ("// Long because a table.", 401, 0)):
            self.write("client/a.cpp", first + "\n" * lines)
            self.assertEqual(subprocess.run([script, self.root], capture_output=True).returncode, status)


if __name__ == "__main__":
    sys.exit(unittest.main())
