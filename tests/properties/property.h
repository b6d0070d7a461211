#pragma once
// One way to check a property: a fixed number of cases from a fixed seed, both printed.

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <iostream>
#include <string>

namespace ephemeralml::properties {

/// Checks `property` on `cases` cases. Whoever wants others sets RC_PARAMS.
template <class Property>
void CheckProperty(uint64_t seed, int cases, Property property) {
  const std::string parameters =
      "seed=" + std::to_string(seed) + " max_success=" + std::to_string(cases);
  (void)setenv("RC_PARAMS", parameters.c_str(), 0);
  std::cout << "RC_PARAMS=\"" << getenv("RC_PARAMS") << "\"\n";
  EXPECT_TRUE(rc::check(property));
}

}  // namespace ephemeralml::properties
