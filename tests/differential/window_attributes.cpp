#include "tests/differential/window_attributes.h"

namespace ephemeralml::differential {

using decompose::testing::AddInts;
using decompose::testing::AddString;

WindowCase DrawWindow(int64_t axes) {
  WindowCase window;
  for (int64_t i = 0; i < axes; ++i) {
    window.kernel.push_back(Draw(1, 3));
    window.input.push_back(Draw(5, 9));
  }
  return window;
}

void AddWindowAttributes(onnx::NodeProto* node, const WindowCase& window) {
  const size_t axes = window.kernel.size();
  std::vector<int64_t> strides(axes);
  std::vector<int64_t> dilations(axes);
  std::vector<int64_t> pads(2 * axes);
  bool leaves_gaps = false;
  const bool dilates = window.has_dilations && Chance(30);
  for (size_t i = 0; i < axes; ++i) {
    strides[i] = Draw(1, 3);
    dilations[i] = dilates ? Draw(1, 2) : 1;
    leaves_gaps = leaves_gaps || strides[i] > window.kernel[i];
    pads[i] = Draw(0, window.kernel[i] - 1);
    pads[i + axes] = Draw(0, window.kernel[i] - 1);
  }
  if (Chance(70)) AddInts(node, "strides", strides);
  if (dilates) AddInts(node, "dilations", dilations);
  const std::string pad =
      OneOf<std::string>({"", "", "pads", "pads", "SAME_UPPER", "SAME_LOWER", "VALID"});
  if (pad == "pads") {
    AddInts(node, "pads", pads);
  } else if (!pad.empty() && !dilates && !(window.avoids_gaps && leaves_gaps)) {
    AddString(node, "auto_pad", pad);
  }
}

}  // namespace ephemeralml::differential
