#pragma once
// What the first program may do to its machine: say something on the console, and end it.

namespace ephemeralml::init {

/// Writes one line of JSON to the console: a literal, and errno's number unless it is 0.
void Say(const char* event, int error_number = 0);

/// Ends every process and the machine. A reset ends a Nitro enclave for good; powering off would
/// need ACPI, which its machines don't have, and halt there for ever.
[[noreturn]] void EndMachine();

/// Says what failed and ends the machine unless `holds`: an enclave that isn't set up as measured
/// code says must not serve.
void Require(bool holds, const char* otherwise);

}  // namespace ephemeralml::init
