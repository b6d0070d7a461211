#pragma once
// What the host's HTTP statuses mean to a person.

#include <string>

namespace ephemeralml::session {

/// One sentence: the likely cause and what to do.
std::string ExplainStatus(unsigned status);

}  // namespace ephemeralml::session
