#pragma once
// Convolutions in which every channel of a blocked tensor has a filter of its own: where the
// filters lie on its lines, and what is done to what they make. Nothing here opens a weight.

#include "enclave/engine/kernels/blocked.h"
#include "enclave/engine/panels/filter_plane.h"

namespace ephemeralml::engine::kernels {

using FilterRuns = std::vector<panels::FilterRun>;

/// What the filters of all channels have in common. Distances in floats.
struct Filtering {
  /// The window outlives it. `input_line`: from one line of the input to the next.
  Filtering(const Window& slid_window, int64_t line_distance);

  const Window& window;
  int64_t input_line;
  FilterRuns lines;
  FilterRuns columns;
  float* y = nullptr;
  const float* residual = nullptr;  ///< laid out as `y`, or null
  float scale = 1;                  ///< a sum, with its bias, is multiplied by it,
  float shift = 0;                  ///< and this is added to it
  panels::Epilogue epilogue;

  int64_t output_lines() const { return window.output[1]; }
  int64_t output_line() const { return window.output[2] * kBlockLanes; }
  int64_t output_plane() const { return output_lines() * output_line(); }
};

/// What the planes of one panel of filters share: all but `left`, `result`, `weights` and `bias`.
/// It views `f`, and so does its result.
panels::FilteredPlane PlaneOf(const Filtering& f, const wire::PackedShape& shape, int64_t panel);

/// The runs of output lines within [begin, end), for an input of which only the lines from
/// `first_input_line` on are there.
void LinesWithin(const Filtering& f, int64_t begin, int64_t end, int64_t first_input_line,
                 FilterRuns& within);

/// Makes the lines `plane.lines`, at least one, of one block of channels of one image: plane
/// `index` of the result.
void FilterLines(const Filtering& f, int64_t index, panels::FilteredPlane& plane);

/// An optional input of two numbers, scale and shift. Errors: kMalformed `shape_invalid`,
/// kUnsupported `type_unsupported`; those of KernelContext::Input.
Done ReadScaleAndShift(KernelContext& context, size_t index, Filtering& f);

/// The `activation` attributes, as networks spell them out: sums of so few products show each
/// rounding that differs from the graph's own. Errors: kMalformed `attribute_invalid`.
Result<panels::Epilogue> ReadFilterEpilogue(const Attributes& attributes);

}  // namespace ephemeralml::engine::kernels
